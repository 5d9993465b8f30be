import { randomBytes } from 'node:crypto'

export interface UploadFile {
  /** Name of the form field. */
  field: string
  fileName: string
  size: number
  read: () => AsyncIterable<Uint8Array>
}

export interface Multipart {
  headers: { 'content-type': string; 'content-length': string }
  read: () => AsyncGenerator<Uint8Array>
}

/** A multipart/form-data body of known length (RFC 7578), read from the file as it is sent. */
export function multipart(
  fields: Readonly<Record<string, string>>,
  file: UploadFile,
  boundary: string = `asr-${randomBytes(12).toString('hex')}`,
): Multipart {
  const texts = Object.entries(fields).map(
    ([name, value]) =>
      `--${boundary}\r\ncontent-disposition: form-data; name="${escapeName(name)}"\r\n\r\n${value}\r\n`,
  )
  const fileHead =
    `--${boundary}\r\ncontent-disposition: form-data; name="${escapeName(file.field)}"; ` +
    `filename="${escapeName(file.fileName)}"\r\ncontent-type: application/octet-stream\r\n\r\n`
  const head = Buffer.from(texts.join('') + fileHead)
  const tail = Buffer.from(`\r\n--${boundary}--\r\n`)
  return {
    headers: {
      'content-type': `multipart/form-data; boundary=${boundary}`,
      'content-length': String(head.length + file.size + tail.length),
    },
    async *read() {
      yield head
      yield* file.read()
      yield tail
    },
  }
}

/** As browsers do (HTML, multipart/form-data encoding algorithm). */
function escapeName(name: string): string {
  return name.replace(/\r/g, '%0D').replace(/\n/g, '%0A').replace(/"/g, '%22')
}
