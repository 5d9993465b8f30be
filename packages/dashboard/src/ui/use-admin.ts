import { useState } from 'preact/hooks'
import { checkAdminKey, operate, storeAdminKey, storedAdminKey, type Operation } from '../api/admin.js'

export interface Outcome {
  /** In words: `drain default-1`. */
  what: string
  lines: readonly string[]
  state: 'running' | 'done' | 'failed'
}

/** What an administrator can do on this page; `key` is null for everybody else. */
export interface Admin {
  key: string | null
  /** Throws Error with a sentence when the key is not taken. */
  signIn(key: string): Promise<void>
  signOut(): void
  outcome: Outcome | null
  run(what: string, operation: Operation): void
}

const mostLines = 8

export function useAdmin(): Admin {
  const [key, setKey] = useState(storedAdminKey())
  const [outcome, setOutcome] = useState<Outcome | null>(null)

  function add(line: string, state: Outcome['state']): void {
    setOutcome((last) => last && { ...last, state, lines: [...last.lines, line].slice(-mostLines) })
  }

  return {
    key,
    async signIn(given) {
      await checkAdminKey(given)
      storeAdminKey(given)
      setKey(given)
    },
    signOut() {
      storeAdminKey(null)
      setKey(null)
      setOutcome(null)
    },
    outcome,
    run(what, operation) {
      if (key === null) return
      setOutcome({ what, lines: [], state: 'running' })
      operate(key, operation, (line) => add(line, 'running')).then(
        (message) => add(message, 'done'),
        (error: Error) => add(error.message, 'failed'),
      )
    },
  }
}
