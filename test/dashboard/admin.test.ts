import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { kill, startCluster } from '../harness/index.js'
import { hasChromium, lowContrast, openPage } from './browser.ts'

const skip = !hasChromium()
const adminKey = randomBytes(24).toString('base64url')

test.skipIf(skip)(
  'an administrator scales, drains, starts and restarts, and reads the logs as they come',
  async () => {
    await using cluster = await startCluster({
      config: { groups: [{ instances: 1 }], auth: { adminKeys: [adminKey] } },
    })
    await using browser = await openPage(cluster.url)
    const { page } = browser
    await page.getByText('1 of 1 instances ready').waitFor()
    expect(await page.getByRole('button', { name: 'Drain default-0' }).count()).toBe(0)

    // From the keyboard alone.
    await page.getByLabel('Admin key').focus()
    await page.keyboard.type(adminKey)
    await page.keyboard.press('Enter')
    const outcome = page.getByRole('status', { name: 'Last operation' })
    const log = page.getByRole('log')
    await log.getByText('default-0', { exact: false }).waitFor()

    await page.getByRole('button', { name: 'One instance more in default' }).press('Enter')
    await page.getByText('2 of 2 instances ready').waitFor()
    await page.locator('[data-operation=done]').waitFor()
    expect(await outcome.innerText()).toContain('scale default to 2')
    await expect.poll(() => log.innerText()).toContain('default-1')

    await page.getByRole('button', { name: 'Drain default-1' }).click()
    await page.locator('[data-instance=default-1][data-state=stopped]').waitFor()
    await page.getByRole('button', { name: 'Start default-1' }).click()
    await page.locator('[data-instance=default-1][data-state=ready]').waitFor()
    await page.locator('[data-operation=done]').waitFor()

    const before = await cluster.pidOf('default-0')
    await page.getByRole('button', { name: 'Restart default-0' }).click()
    await page.getByText(/restart default-0: done/).waitFor()
    expect(await cluster.pidOf('default-0')).not.toBe(before)

    await page.getByLabel('Program').selectOption('default-1')
    await expect.poll(() => log.innerText()).not.toContain(' default-0 ')

    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme })
      expect(await lowContrast(page), colorScheme).toEqual([])
      await page.setViewportSize({ width: 390, height: 844 })
      expect(await page.evaluate('document.documentElement.scrollWidth'), colorScheme).toBe(390)
      await page.setViewportSize({ width: 1280, height: 900 })
    }
    // Pausing ends one stream of lines; the browser reports nothing of that.
    await page.getByRole('button', { name: 'Pause' }).click()
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByLabel('Admin key').waitFor()
    expect(browser.complaints).toEqual([])

    await page.getByLabel('Admin key').fill('not the key of this cluster')
    await page.keyboard.press('Enter')
    await page.getByText('This is not an admin key of this cluster.').waitFor()
  },
)

test.skipIf(skip)('the logs come back after the balancer died', async () => {
  await using cluster = await startCluster({
    config: { groups: [{ instances: 1 }], auth: { adminKeys: [adminKey] } },
  })
  await using browser = await openPage(cluster.url)
  const { page } = browser
  await page.getByLabel('Admin key').fill(adminKey)
  await page.keyboard.press('Enter')
  await page.getByRole('log').getByText('listening').waitFor()
  kill(await cluster.pidOf('balancer'), 'SIGKILL')
  await expect
    .poll(() => page.getByRole('log').innerText(), { timeout: 15_000 })
    .toContain('killed by SIGKILL')
})

test('the admin routes want their own key in a header, and count a new one at once', async () => {
  const apiKey = randomBytes(24).toString('base64url')
  const config = { groups: [{ instances: 1 }], auth: { apiKeys: [apiKey] } }
  await using cluster = await startCluster({ config })
  const ask = (headers: Record<string, string>) =>
    fetch(`${cluster.url}/api/admin/scale`, { method: 'POST', headers, body: '{"targets":["1"]}' })
  const codeOf = async (response: Response) => ((await response.json()) as { code: string }).code

  expect(await codeOf(await ask({ authorization: `Bearer ${apiKey}` }))).toBe('unauthorized')
  const closed = await ask({ 'x-asr-admin-key': adminKey })
  expect([closed.status, await codeOf(closed)]).toEqual([403, 'admin_disabled'])

  cluster.writeConfig({ ...config, auth: { apiKeys: [apiKey], adminKeys: [adminKey] } })
  expect(await cluster.cli('reload')).toMatchObject({ code: 0 })
  const open = await ask({ 'x-asr-admin-key': adminKey })
  expect(open.status).toBe(200)
  expect(await open.text()).toContain('"done":true,"ok":true')
  expect(await codeOf(await ask({ 'x-asr-admin-key': apiKey }))).toBe('unauthorized')
  // What a page of another site would have to be told before its script may send the header.
  const preflight = await fetch(`${cluster.url}/api/admin/scale`, { method: 'OPTIONS' })
  expect(preflight.headers.get('access-control-allow-origin')).toBeNull()
})
