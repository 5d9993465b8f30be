const keptMs = 60_000
const keptDeaths = 256

interface Death {
  atMs: number
  instance: string
  life: number
  victims: Set<string>
}

/** The instances that died lately and the requests that were on them. */
export class DeathLog {
  #deaths: Death[] = []

  record(instance: string, life: number, requestId: string, nowMs: number): void {
    this.#deaths = this.#deaths.filter((death) => nowMs - death.atMs < keptMs).slice(-keptDeaths)
    const known = this.#deaths.find((death) => death.instance === instance && death.life === life)
    if (known) known.victims.add(requestId)
    else this.#deaths.push({ atMs: nowMs, instance, life, victims: new Set([requestId]) })
  }

  /** Deaths of the last minute in which this request was not involved. */
  without(requestId: string, nowMs: number): number {
    return this.#deaths.filter((death) => nowMs - death.atMs < keptMs && !death.victims.has(requestId)).length
  }
}
