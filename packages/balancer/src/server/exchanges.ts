import type { ServerResponse } from 'node:http'

/** The requests that are being answered on the server's connections. */
export class Exchanges {
  readonly #open = new Set<ServerResponse>()
  #lastOnes = false
  #onEmpty: (() => void)[] = []

  add(response: ServerResponse): void {
    this.#open.add(response)
    if (this.#lastOnes) response.shouldKeepAlive = false
    response.once('close', () => {
      this.#open.delete(response)
      if (this.#open.size > 0) return
      for (const resolve of this.#onEmpty.splice(0)) resolve()
    })
  }

  /** From now on each answer says `Connection: close`, also to a request that is here already. */
  makeLast(): void {
    this.#lastOnes = true
    for (const response of this.#open) if (!response.headersSent) response.shouldKeepAlive = false
  }

  /** Resolves when none is open; one that comes meanwhile is waited for. */
  async ended(): Promise<void> {
    while (this.#open.size > 0) await new Promise<void>((resolve) => this.#onEmpty.push(resolve))
  }
}
