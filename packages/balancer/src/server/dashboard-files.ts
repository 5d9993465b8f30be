import { readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, extname, join } from 'node:path'
import { AsrError } from '@asr-cluster/protocol'
import type { Reply } from './respond.js'

const contentTypes: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
}

const securityHeaders = {
  'content-security-policy':
    "default-src 'self'; img-src 'self' data:; media-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'permissions-policy': 'camera=(), geolocation=(), microphone=(self)',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
}

/** The folder that the dashboard's build writes; undefined when its package is not installed. */
export function dashboardDir(): string | undefined {
  try {
    const packageJson = createRequire(import.meta.url).resolve('@asr-cluster/dashboard/package.json')
    return join(dirname(packageJson), 'dist', 'public')
  } catch {
    return undefined
  }
}

/**
 * Answers for the files of a folder, read once and kept: a few small files. Only a path that was found in the folder
 * can be asked for, so there is nothing to traverse. Throws AsrError not_found for any other.
 */
export function createDashboardFiles(dir: string | undefined): (pathname: string) => Reply {
  let files = new Map<string, Reply>()
  return (pathname) => {
    // Not built yet is looked at again; built stays as it was when it was first asked for.
    if (files.size === 0 && dir !== undefined) files = readFiles(dir)
    const file = files.get(pathname)
    if (file) return file
    const message =
      files.size === 0 ? 'The dashboard is not built: npm run build.' : 'There is no such route.'
    throw new AsrError('not_found', message)
  }
}

function readFiles(dir: string): Map<string, Reply> {
  const files = new Map<string, Reply>()
  for (const path of listFiles(dir)) {
    const body = readFileSync(join(dir, path))
    const isHashed = path.startsWith('assets/')
    const headers = {
      ...securityHeaders,
      'content-type': contentTypes[extname(path)] ?? 'application/octet-stream',
      'cache-control': isHashed ? 'public, max-age=31536000, immutable' : 'no-cache',
    }
    files.set(path === 'index.html' ? '/' : `/${path}`, { status: 200, headers, body })
  }
  return files
}

function listFiles(dir: string): string[] {
  try {
    return readdirSync(dir, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(dir.length + 1))
  } catch {
    return []
  }
}
