/** Aborts at Ctrl-C, and once nobody reads the output any longer (`… | head`). Returns what undoes it. */
export function abortOnEnd(stop: AbortController): () => void {
  const end = (): void => stop.abort()
  process.once('SIGINT', end)
  process.stdout.once('error', end)
  return () => {
    process.off('SIGINT', end)
    process.stdout.off('error', end)
  }
}
