import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AsrError } from '@asr-cluster/protocol'
import { expect, onTestFinished, test } from 'vitest'
import { createDashboardFiles } from './dashboard-files.js'

function emptyDir(): string {
  const parent = mkdtempSync(join(tmpdir(), 'dashboard-files-'))
  onTestFinished(() => rmSync(parent, { recursive: true }))
  writeFileSync(join(parent, 'secret.txt'), 'not for the world')
  return join(parent, 'public')
}

function build(dir: string): void {
  mkdirSync(join(dir, 'assets'), { recursive: true })
  writeFileSync(join(dir, 'index.html'), '<!doctype html>')
  writeFileSync(join(dir, 'assets/index-abc.js'), 'export {}')
}

test('serves the page anew and hashed files for ever, both under a strict policy', () => {
  const dir = emptyDir()
  build(dir)
  const serve = createDashboardFiles(dir)
  const page = serve('/')
  expect(page).toMatchObject({ status: 200, body: Buffer.from('<!doctype html>') })
  expect(page.headers).toMatchObject({
    'content-type': 'text/html; charset=utf-8',
    'cache-control': 'no-cache',
  })
  expect(page.headers?.['content-security-policy']).toContain("default-src 'self'")
  expect(serve('/assets/index-abc.js').headers).toMatchObject({
    'content-type': 'text/javascript; charset=utf-8',
    'cache-control': 'public, max-age=31536000, immutable',
    'x-content-type-options': 'nosniff',
  })
})

test.each([
  '/assets/../../secret.txt',
  '/assets/..%2f..%2fsecret.txt',
  '/assets/',
  '/assets/constructor',
  '/index.html',
])('%s is not found', (pathname) => {
  const dir = emptyDir()
  build(dir)
  expect(() => createDashboardFiles(dir)(pathname)).toThrow(AsrError)
})

test('says that it is not built, until it is', () => {
  const dir = emptyDir()
  const serve = createDashboardFiles(dir)
  expect(() => serve('/')).toThrow('The dashboard is not built')
  build(dir)
  expect(serve('/').status).toBe(200)
  expect(() => createDashboardFiles(undefined)('/')).toThrow('The dashboard is not built')
})
