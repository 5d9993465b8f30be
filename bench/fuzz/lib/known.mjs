import { AsrError } from '../../../packages/protocol/dist/index.js'

/** The name of a refusal that a client may be told; anything else is thrown again, and is a finding. */
export function refusal(error) {
  if (error instanceof AsrError && error.status >= 400 && error.status < 500) return error.code
  throw error
}
