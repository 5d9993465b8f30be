import { ToolError } from '../common/tool-error.js'
import { TransferError } from './transfer-error.js'

type Headers = Readonly<Record<string, string | string[] | undefined>>

interface About {
  what: string
  endpoint: string
  hasToken: boolean
}

const busy = new Set([408, 425, 429, 500, 502, 503, 504])

/** What a status means for the user: an error to stop at, or one to try again after. */
export function refusal(status: number, headers: Headers, about: About): ToolError | TransferError {
  const { what, endpoint, hasToken } = about
  if (busy.has(status)) {
    return new TransferError(`${endpoint} answered ${status}`, {
      retryAfterMs: retryAfterMs(headers['retry-after']),
    })
  }
  const detail = headers['x-error-message']
  const reason = typeof detail === 'string' ? `: ${detail.slice(0, 200)}` : ''
  if (status === 401) {
    return new ToolError('hub_unauthorized', `${endpoint} does not give ${what} to us (401)${reason}`, {
      help: hasToken
        ? 'Check the spelling of the model. If it is right: the token in HF_TOKEN is not valid, or may not read it.'
        : 'Check the spelling of the model. If it is private or gated, set HF_TOKEN to a token that may read it.',
    })
  }
  if (status === 403) {
    return new ToolError('hub_forbidden', `${endpoint} forbids ${what} (403)${reason}`, {
      help: hasToken
        ? `Open ${endpoint} in a browser and accept the model's conditions with the account of HF_TOKEN.`
        : 'Set HF_TOKEN to a token that may read it.',
    })
  }
  if (status === 404 || status === 410) {
    return new ToolError('hub_not_found', `${endpoint} has no ${what} (${status})${reason}`, {
      help: 'Check the spelling of the model and of --revision; HF_ENDPOINT names the hub that is asked.',
    })
  }
  return new ToolError('hub_refused', `${endpoint} answered ${status} for ${what}${reason}`)
}

/** Seconds or an HTTP date would be allowed; hubs send seconds. */
function retryAfterMs(value: string | string[] | undefined): number | null {
  const seconds = Number(value ?? Number.NaN)
  return Number.isFinite(seconds) && seconds >= 0 ? seconds * 1000 : null
}
