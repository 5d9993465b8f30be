import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chromium, type BrowserContext, type Page } from 'playwright-core'
import { repositoryRoot } from '../harness/index.js'

const executablePath = '/usr/bin/chromium'

export const clip = `${repositoryRoot}examples/hello.wav`

/** False, with a word about it, where Debian's browser is missing. */
export function hasChromium(): boolean {
  if (existsSync(executablePath)) return true
  console.warn('skipped: chromium is not installed (Debian: apt-get install chromium)')
  return false
}

export interface BrowserPage extends AsyncDisposable {
  readonly page: Page
  /** Errors of the page and of its console, and everything that it asked of another host. */
  readonly complaints: string[]
}

/** A browser with a profile of its own, on `url`; its microphone hears the clip over and over. */
export async function openPage(
  url: string,
  options: Parameters<typeof chromium.launchPersistentContext>[1] = {},
): Promise<BrowserPage> {
  const profile = mkdtempSync(join(tmpdir(), 'chromium-'))
  const context: BrowserContext = await chromium.launchPersistentContext(profile, {
    executablePath,
    headless: true,
    permissions: ['microphone', 'clipboard-read', 'clipboard-write'],
    viewport: { width: 1280, height: 900 },
    ...options,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--use-fake-device-for-media-stream',
      '--use-fake-ui-for-media-stream',
      `--use-file-for-fake-audio-capture=${clip}`,
    ],
  })
  const page = context.pages()[0] ?? (await context.newPage())
  const complaints: string[] = []
  page.on('pageerror', (error) => complaints.push(error.message))
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text())
  })
  page.on('request', (request) => {
    const asked = request.url()
    if (!asked.startsWith(url) && !asked.startsWith('blob:')) complaints.push(`asked for ${asked}`)
  })
  await page.goto(url)
  return {
    page,
    complaints,
    async [Symbol.asyncDispose]() {
      await context.close()
      rmSync(profile, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}

/** Texts that are hard to read, each with its contrast ratio. */
export function lowContrast(page: Page): Promise<string[]> {
  return page.evaluate(readFileSync(new URL('low-contrast.js', import.meta.url), 'utf8'))
}

/** What has the focus: the type of an input or a button, else the name of its element. */
export function focusedKind(page: Page): Promise<string> {
  return page.evaluate(
    "document.activeElement?.getAttribute('type') ?? document.activeElement?.tagName.toLowerCase() ?? ''",
  )
}
