import type { IncomingMessage } from 'node:http'
import type { Readable } from 'node:stream'
import { AsrError } from '@asr-cluster/protocol'
import busboy from 'busboy'
import { Spool } from '../audio/spool.js'
import { missingFile } from './missing-file.js'

export interface Upload {
  /** Who receives it must close it. */
  file: Spool
  fileField: string
  /** Every value of every text field, in the order of arrival; empty where one that nobody reads is too long. */
  fields: ReadonlyMap<string, readonly string[]>
  /** Names of file fields that nobody asked for; their bytes were not kept. */
  unknownFiles: readonly string[]
}

export interface UploadOptions {
  /** Names of the file field, the preferred one first. */
  fileFields: readonly string[]
  /** Names of the text fields that are read. Of another one that is too long only the name is kept. */
  textFields: readonly string[]
  maxBodyBytes: number
  signal: AbortSignal
  createSpool?: () => Spool
}

const limits = { fieldSize: 65_536, fields: 64, files: 8, parts: 72, headerPairs: 32 }
const maxNameLength = 100

/** Refuses what its headers already tell, before a byte of the body is read. */
export function checkHeaders(req: IncomingMessage, maxBodyBytes: number): void {
  const length = Number(req.headers['content-length'] ?? 0)
  if (length > maxBodyBytes) throw tooLarge(maxBodyBytes, `The request has ${length} bytes`)
  const type = req.headers['content-type'] ?? ''
  if (/^multipart\/form-data\b/i.test(type)) return
  if (req.headers['content-length'] === '0' || (type === '' && !hasBody(req))) {
    throw new AsrError('missing_file', 'The request has no body.')
  }
  const found = type === '' ? 'no Content-Type' : `Content-Type \`${type.slice(0, 100)}\``
  throw new AsrError('invalid_request', `The request has ${found}; multipart/form-data is needed.`)
}

/**
 * Reads a multipart form as it arrives; the recording goes to a spool. Throws AsrError: missing_file,
 * file_too_large, invalid_request, client_closed. The body may then be half read.
 */
export function receiveUpload(req: IncomingMessage, options: UploadOptions): Promise<Upload> {
  checkHeaders(req, options.maxBodyBytes)
  const parser = createParser(req)
  const spool = options.createSpool?.() ?? new Spool()
  const fields = new Map<string, string[]>()
  const otherFiles: string[] = []
  let fileField: string | null = null
  let writing: Promise<void> = Promise.resolve()
  let received = 0
  let openParts = 0

  return new Promise<Upload>((resolve, reject) => {
    let settled = false
    const finish = (): boolean => {
      if (settled) return false
      settled = true
      options.signal.removeEventListener('abort', onAbort)
      req.off('data', onData).off('error', onAbort)
      return true
    }
    const fail = (error: AsrError) => {
      if (!finish()) return
      req.unpipe(parser)
      parser.destroy()
      writing
        .catch(() => {})
        .then(() => spool.close())
        .then(() => reject(error), reject)
    }
    const onAbort = () => fail(new AsrError('client_closed', 'The client went away during the upload.'))
    const onData = (chunk: Buffer) => {
      received += chunk.length
      if (received > options.maxBodyBytes) fail(tooLarge(options.maxBodyBytes, 'The request is larger'))
    }

    parser.on('file', (name: string | undefined, stream) => {
      stream.on('error', () => {})
      openParts++
      onLastPush(stream, () => openParts--)
      if (settled || name === undefined || !options.fileFields.includes(name)) {
        otherFiles.push(name ?? '')
        stream.resume()
        return
      }
      if (fileField !== null) {
        stream.resume()
        fail(invalid(`There are two recordings in one request: \`${fileField}\` and \`${name}\`.`))
        return
      }
      fileField = name
      writing = writeTo(spool, stream)
      writing.catch((error: unknown) => {
        if (!stream.errored) fail(new AsrError('internal', 'The upload cannot be kept.', { cause: error }))
      })
    })
    parser.on('field', (name: string | undefined, value, info) => {
      if (name === undefined || name.length > maxNameLength) {
        fail(invalid(`A field has ${name === undefined ? 'no name' : 'too long a name'}.`))
      } else if (info.valueTruncated && options.fileFields.includes(name)) {
        fail(missingFile(options.fileFields, new Map([[name, [value]]]), otherFiles))
      } else if (info.valueTruncated && options.textFields.includes(name)) {
        fail(invalid(`The field \`${name}\` is longer than ${limits.fieldSize} bytes.`, name))
      } else {
        fields.set(name, [...(fields.get(name) ?? []), info.valueTruncated ? '' : value])
      }
    })
    for (const event of ['partsLimit', 'filesLimit', 'fieldsLimit'] as const) {
      parser.on(event, () => fail(invalid('The form has too many fields.')))
    }
    parser.on('error', (error: Error) => fail(malformed(error)))
    parser.on('close', () => {
      writing.then(
        () => {
          if (settled) return
          if (fileField === null) fail(missingFile(options.fileFields, fields, otherFiles))
          else if (finish()) resolve({ file: spool, fileField, fields, unknownFiles: otherFiles })
        },
        () => fail(malformed(new Error('Unexpected end of file'))),
      )
    })
    options.signal.addEventListener('abort', onAbort, { once: true })
    req.on('error', onAbort).on('data', onData)
    req.pipe(parser, { end: false })
    req.once('end', () => {
      if (settled) return
      // busboy waits for ever for the end of a file whose header ran into a boundary; when it has taken the very
      // last bytes (line ends behind the form mean nothing), every file must have ended.
      parser.write('\r\n', () => {
        if (openParts > 0) fail(malformed(new Error('Unexpected end of file')))
        else if (!settled) parser.end()
      })
    })
    if (options.signal.aborted) onAbort()
  })
}

function createParser(req: IncomingMessage): busboy.Busboy {
  try {
    return busboy({ headers: req.headers, limits, defParamCharset: 'utf8' })
  } catch (error) {
    throw malformed(error as Error)
  }
}

/** Hears when the producer ends a stream, which is before its reader can know. */
function onLastPush(stream: Readable, listener: () => void): void {
  const push = stream.push.bind(stream)
  stream.push = (chunk: unknown, encoding?: BufferEncoding) => {
    if (chunk === null) listener()
    return push(chunk, encoding)
  }
}

async function writeTo(spool: Spool, stream: Readable): Promise<void> {
  for await (const chunk of stream) await spool.write(chunk as Buffer)
}

function hasBody(req: IncomingMessage): boolean {
  return req.headers['transfer-encoding'] !== undefined || Number(req.headers['content-length'] ?? 0) > 0
}

function malformed(cause: Error): AsrError {
  const reasons: [RegExp, string][] = [
    [/boundary/i, 'its Content-Type names no boundary'],
    [/unexpected end/i, 'it ends before the closing boundary'],
    [/part header/i, 'the headers of a part cannot be read'],
  ]
  const reason = reasons.find(([pattern]) => pattern.test(cause.message))?.[1] ?? 'it cannot be read'
  return new AsrError('invalid_request', `The multipart form is broken: ${reason}.`, { cause })
}

function invalid(message: string, param?: string): AsrError {
  return new AsrError('invalid_request', message, param === undefined ? {} : { param })
}

function tooLarge(maxBodyBytes: number, what: string): AsrError {
  return new AsrError('file_too_large', `${what}; the limit is ${maxBodyBytes} bytes.`)
}
