/** Longer than any object that fits into etcd (1.5 MB), also when it is written in JSON. */
const maxLineChars = 16 * 1024 * 1024

/**
 * The lines of a byte stream, without their ends, empty ones left out. What follows the last line end is a torn line of a
 * connection that broke, and is dropped. Throws on a line that never ends.
 */
export async function* linesOf(chunks: AsyncIterable<Buffer>): AsyncGenerator<string> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of chunks) {
    rest += decoder.decode(chunk, { stream: true })
    const lines = rest.split('\n')
    rest = lines.pop() as string
    if (rest.length > maxLineChars) throw new Error('a line of the watch is too long')
    for (const line of lines) if (line.trim() !== '') yield line
  }
}
