// Takes the pictures of the dashboard that the documentation shows: node docs/images/take.mjs
// A cluster of two instances with some load, one of them killed a moment ago, and an administrator signed in.
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright-core'
import { startCluster } from '../../bench/api/lib/cluster.mjs'

const root = fileURLToPath(new URL('../../', import.meta.url))
const adminKey = 'only-for-these-pictures'
const clip = `${root}examples/hello.wav`
const cluster = await startCluster({ groups: [{ instances: 2 }], auth: { adminKeys: [adminKey] } })
const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu'],
})
try {
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 } })
  await page.goto(cluster.url)
  await page.getByText('2 of 2 instances ready').waitFor()
  const { cluster: status } = await (await fetch(`${cluster.url}/api/status`)).json()
  process.kill(status.instances[1].pid, 'SIGKILL')
  await page.getByLabel('Admin key').fill(adminKey)
  await page.keyboard.press('Enter')
  await page.getByRole('button', { name: 'Drain default-0' }).waitFor()
  const send = async () => {
    const form = new FormData()
    form.set('audio', new Blob([readFileSync(clip)]), 'hello.wav')
    await (await fetch(`${cluster.url}/asr`, { method: 'POST', body: form })).arrayBuffer()
  }
  const end = Date.now() + 20_000
  const client = async () => {
    while (Date.now() < end) await send()
  }
  const load = Promise.all([client(), client(), client()])
  await page.setInputFiles('input[type=file]', clip)
  await page.locator('output', { hasText: 'Welcome to the cluster.' }).waitFor()
  await page.getByRole('button', { name: 'Rolling restart' }).click()
  await page.locator('[data-operation=done]').waitFor({ timeout: 60_000 })
  await page.waitForTimeout(6_000)
  const take = async (name, colorScheme, width) => {
    await page.emulateMedia({ colorScheme })
    await page.setViewportSize({ width, height: 900 })
    await page.waitForTimeout(1_000)
    await page.screenshot({ path: `${root}docs/images/${name}.png`, fullPage: true })
  }
  await take('dashboard', 'light', 1280)
  await take('dashboard-dark', 'dark', 1280)
  await take('dashboard-phone', 'light', 390)
  await load
} finally {
  await browser.close()
  await cluster.stop()
}
