/** The JSON of each `data:` event, in order. Throws SyntaxError on data that is no JSON. */
export async function* readEvents(chunks: AsyncIterable<Uint8Array>): AsyncGenerator {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of chunks) {
    rest += decoder.decode(chunk, { stream: true })
    const events = rest.split(/\r?\n\r?\n/)
    rest = events.pop() ?? ''
    for (const event of events) yield* dataOf(event)
  }
  yield* dataOf(rest)
}

function* dataOf(event: string): Generator {
  const data = event
    .split(/\r?\n/)
    .flatMap((line) => (line.startsWith('data:') ? [line.slice(5).trimStart()] : []))
    .join('\n')
  if (data !== '') yield JSON.parse(data) as unknown
}
