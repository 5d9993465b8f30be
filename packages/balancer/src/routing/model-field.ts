import busboy from 'busboy'

/** As the instances', so that both see the same fields; of a field no more is kept than a name may have. */
const limits = { fieldSize: 256, fields: 64, files: 8, parts: 72, headerPairs: 32 }

/**
 * The text field `model` of a multipart form, found while the body passes by. Files are skipped as they come, so what it
 * holds is bounded; what is inside a file is never taken for a field.
 */
export class ModelField {
  readonly #parser: busboy.Busboy | undefined
  #value: string | undefined
  #over = false

  /** `contentType` as in the request; anything but a multipart form has no field. */
  constructor(contentType: string) {
    this.#parser = createParser(contentType)
    if (!this.#parser) return
    // Without a listener for files the parser drops them unread.
    this.#parser.on('field', (name, value) => {
      if (name === 'model') this.#end(value)
    })
    // A form that cannot be read is for the instance to refuse, in its words.
    this.#parser.on('error', () => this.#end())
  }

  /** No more than the present chunk is looked at, and it is not kept. */
  update(chunk: Buffer): void {
    if (this.#parser && !this.#over) this.#parser.write(chunk)
  }

  /** The first value that has arrived so far; undefined without one. An empty one is none. */
  get value(): string | undefined {
    return this.#value === '' ? undefined : this.#value
  }

  #end(value?: string): void {
    if (this.#over) return
    this.#over = true
    this.#value = value
    // In the middle of a chunk it still needs what it holds.
    setImmediate(() => this.#parser?.destroy())
  }
}

function createParser(contentType: string): busboy.Busboy | undefined {
  if (!/^multipart\/form-data\b/i.test(contentType)) return undefined
  try {
    return busboy({ headers: { 'content-type': contentType }, limits, defParamCharset: 'utf8' })
  } catch {
    return undefined
  }
}
