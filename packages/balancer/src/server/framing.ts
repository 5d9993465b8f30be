import type { IncomingMessage } from 'node:http'
import { AsrError } from '@asr-cluster/protocol'

/**
 * Refuses what an instance could frame differently from us (RFC 9112 §6.3, §3.2): the parser refuses most of it, this is
 * the rest. Throws AsrError.
 */
export function checkFraming(request: IncomingMessage): void {
  const { headers, rawHeaders, httpVersion } = request
  if (httpVersion !== '1.1' && httpVersion !== '1.0') {
    throw new AsrError('invalid_request', 'The versions of HTTP served are 1.1 and 1.0.')
  }
  const coding = headers['transfer-encoding']
  if (coding !== undefined && coding.toLowerCase() !== 'chunked') {
    throw new AsrError('invalid_request', 'Only the transfer coding `chunked` is supported.')
  }
  if (coding !== undefined && headers['content-length'] !== undefined) {
    throw new AsrError('invalid_request', 'A request has either Content-Length or Transfer-Encoding.')
  }
  if (coding !== undefined && httpVersion === '1.0') {
    throw new AsrError('invalid_request', 'HTTP/1.0 has no Transfer-Encoding.')
  }
  const hosts = countNames(rawHeaders, 'host')
  if (hosts > 1 || (hosts === 0 && httpVersion === '1.1')) {
    throw new AsrError('invalid_request', 'A request has one Host header.')
  }
}

function countNames(rawHeaders: readonly string[], name: string): number {
  let count = 0
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const text = rawHeaders[index] as string
    // Most names differ in their length.
    if (text.length === name.length && text.toLowerCase() === name) count += 1
  }
  return count
}
