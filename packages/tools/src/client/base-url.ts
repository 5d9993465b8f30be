import { ToolUsageError } from '../common/tool-error.js'

/**
 * `http://host:7860/`, `host:7860` or `https://host/prefix/v1` → the base URL without a final slash or `/v1`.
 * Throws ToolUsageError.
 */
export function parseBaseUrl(text: string): string {
  const withScheme = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`
  let url: URL
  try {
    url = new URL(withScheme)
  } catch {
    throw new ToolUsageError(`--url: \`${text}\` is no URL; for example http://127.0.0.1:7860`)
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new ToolUsageError(`--url: \`${url.protocol}\` is not served; use http: or https:`)
  }
  return `${url.origin}${url.pathname.replace(/\/+$/, '').replace(/\/v1$/, '')}`
}
