import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { gzipSync } from 'node:zlib'
import { liveStatusSchema } from '@asr-cluster/protocol'
import { expect, test } from 'vitest'
import { kill, repositoryRoot, startBalancer, startCluster } from '../harness/index.js'
import { clip, focusedKind, hasChromium, lowContrast, openPage } from './browser.ts'

const skip = !hasChromium()

test.skipIf(skip)('a file and the microphone become text, with their segments and the instance', async () => {
  await using cluster = await startCluster()
  await using browser = await openPage(cluster.url)
  const { page } = browser
  await page.getByText('2 of 2 instances ready').waitFor()

  await page.setInputFiles('input[type=file]', clip)
  await page.locator('output', { hasText: 'Welcome to the cluster.' }).waitFor()
  const firstBy = await page.locator('[data-by]').innerText()
  expect(['default-0', 'default-1']).toContain(firstBy)
  expect(await page.getByRole('list', { name: 'Segments' }).getByRole('listitem').count()).toBe(1)

  await page.getByRole('button', { name: 'Copy as curl' }).click()
  await page.getByText('Copied').waitFor()
  const copied = await page.evaluate('navigator.clipboard.readText()')
  expect(copied).toContain(`file=@"${basename(clip)}"`)
  expect(copied).toContain(`${cluster.url}/v1/audio/transcriptions`)

  await page.getByRole('button', { name: '● Record' }).click()
  // Recording takes the time that it takes.
  await page.waitForTimeout(2_000)
  await page.getByRole('button', { name: 'Stop and transcribe' }).click()
  await page.getByText('recording.wav', { exact: true }).waitFor()
  // What is heard of a pretended microphone on a busy machine has gaps: that it became a recording is all that counts.
  const done = await page.getByText(/s of sound in/).innerText()
  expect(Number(/([\d.]+) s of sound/.exec(done)?.[1])).toBeGreaterThan(1)

  await page.getByRole('img', { name: /^Requests per second.*all [1-9\d.]+/ }).waitFor()
  await page.getByRole('img', { name: /^Latency.*p95 [\d.]+ m?s/ }).waitFor()
  await page.getByRole('img', { name: /^Real-time factor.*sound [\d.]+/ }).waitFor()
  await page.getByRole('meter', { name: 'CPU' }).waitFor()
  expect(browser.complaints).toEqual([])
})

test.skipIf(skip)('a killed instance is seen with how it died, a stopped one as stopped', async () => {
  await using cluster = await startCluster()
  await using browser = await openPage(cluster.url)
  const { page } = browser
  const card = page.locator('[data-instance=default-1]')
  await card.getByText('ready').waitFor()
  kill(await cluster.pidOf('default-1'), 'SIGKILL')
  await card.getByText(/Last end .*SIGKILL/).waitFor()
  await page.locator('[data-instance=default-1][data-state=ready]').waitFor()
  expect(await card.locator('dl').innerText()).toMatch(/Restarts\s+1/)
  await card.locator('summary').press('Enter')
  await card.getByText('killed by SIGKILL').waitFor()

  expect((await cluster.cli('stop', 'default-1')).code).toBe(0)
  await page.locator('[data-instance=default-1][data-state=stopped]').waitFor()
  await page.getByText('1 of 2 instances ready').waitFor()
  expect(browser.complaints).toEqual([])
})

test.skipIf(skip)(
  'light and dark, wide and narrow: readable, nothing cut off, and usable from the keyboard',
  async () => {
    await using cluster = await startCluster({ config: { groups: [{ instances: 1 }] } })
    await using browser = await openPage(cluster.url)
    const { page } = browser
    await page.setInputFiles('input[type=file]', clip)
    await page.getByRole('list', { name: 'Segments' }).waitFor()
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme })
      expect(await lowContrast(page), colorScheme).toEqual([])
      for (const width of [1280, 768, 390]) {
        await page.setViewportSize({ width, height: 844 })
        const contentWidth = await page.evaluate('document.documentElement.scrollWidth')
        expect(contentWidth, `${colorScheme} at ${width}`).toBe(width)
      }
    }
    const reached = new Set<string>()
    await page.evaluate('document.activeElement?.blur()')
    for (let press = 0; press < 12; press += 1) {
      await page.keyboard.press('Tab')
      reached.add(await focusedKind(page))
    }
    expect([...reached]).toEqual(expect.arrayContaining(['file', 'button', 'input', 'code']))
    expect(browser.complaints).toEqual([])

    const file = { name: 'notes.wav', mimeType: 'audio/wav', buffer: Buffer.from('these are no sounds') }
    await page.setInputFiles('input[type=file]', file)
    await page.getByRole('alert').filter({ hasText: 'Send WAV' }).waitFor()
  },
)

test.skipIf(skip)('a cluster with keys asks for one, and takes no other', async () => {
  const key = randomBytes(24).toString('base64url')
  await using cluster = await startCluster({
    config: { groups: [{ instances: 1 }], auth: { apiKeys: [key] } },
  })
  await using browser = await openPage(cluster.url)
  const { page } = browser
  await page.getByLabel('API key').fill('a key of somebody else, long enough')
  await page.keyboard.press('Enter')
  await page.getByText('This is not one of its keys.').waitFor()
  await page.getByLabel('API key').fill(key)
  await page.keyboard.press('Enter')
  await page.getByText('1 of 1 instances ready').waitFor()
  await page.setInputFiles('input[type=file]', clip)
  await page.locator('output', { hasText: 'Welcome to the cluster.' }).waitFor()
  expect(await page.locator('body').innerText()).not.toContain(key)
})

test('a balancer alone serves the page, small, with nothing inline, and says what it knows', async () => {
  await using balancer = await startBalancer({ args: ['--upstream', 'http://127.0.0.1:9;id=nobody;slots=2'] })
  const response = await fetch(balancer.url)
  expect(response.status).toBe(200)
  expect(response.headers.get('content-security-policy')).toMatch(/^default-src 'self';(?!.*unsafe)/)
  const page = await response.text()
  expect(page).not.toMatch(/<script(?![^>]* src=)|<style|style=|https?:/)
  for (const [, path] of page.matchAll(/(?:src|href)="([^"]+)"/g)) {
    expect((await fetch(new URL(path!, balancer.url))).status, path).toBe(200)
  }
  expect((await fetch(`${balancer.url}/assets/none.js`)).status).toBe(404)
  const assets = `${repositoryRoot}packages/dashboard/dist/public/assets`
  const bytes = readdirSync(assets).map((name) => gzipSync(readFileSync(`${assets}/${name}`)).length)
  expect(bytes.reduce((sum, each) => sum + each, 0)).toBeLessThan(200_000)

  const status = liveStatusSchema.parse(await (await fetch(`${balancer.url}/api/status`)).json())
  expect(status).toMatchObject({ cluster: null, clusterAgeMs: null, balancer: { queueDepth: 0 } })
  expect(status.balancer.members).toMatchObject([{ id: 'nobody', slots: 2 }])
})
