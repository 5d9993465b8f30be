import { describeError } from '../common/tool-error.js'

/** One line of the checklist. */
export interface CheckResult {
  name: string
  ok: boolean
  detail: string
}

/** A check failed; `message` is its detail. */
export class CheckFailure extends Error {
  override name = 'CheckFailure'
}

/** Runs a check, which returns what it saw; whatever it throws is its failure. */
export async function check(name: string, look: () => Promise<string> | string): Promise<CheckResult> {
  try {
    return { name, ok: true, detail: await look() }
  } catch (error) {
    return { name, ok: false, detail: describeError(error).join(' ') }
  }
}

export function expectThat(condition: boolean, message: string): asserts condition {
  if (!condition) throw new CheckFailure(message)
}
