import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Tokenizer } from '@huggingface/tokenizers'
import { CheckpointError } from '../checkpoint/checkpoint-error.js'
import { byteOfCharacter } from './byte-alphabet.js'
import { removeControlTokens } from './control-tokens.js'

/** Qwen2's pre-tokenizer, which the checkpoint folder does not spell out. */
const splitPattern =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

interface AddedToken {
  content: string
  special: boolean
}

/** Byte-level BPE of a model folder (`vocab.json`, `merges.txt`, `tokenizer_config.json`). */
export class TextTokenizer {
  readonly #tokenizer: Tokenizer
  readonly #added: ReadonlyMap<string, number>
  readonly #contents: ReadonlyMap<number, string>
  readonly #bytes = new Map<number, Buffer>()

  private constructor(
    tokenizer: Tokenizer,
    added: ReadonlyMap<string, number>,
    contents: ReadonlyMap<number, string>,
  ) {
    this.#tokenizer = tokenizer
    this.#added = added
    this.#contents = contents
  }

  static async load(modelDir: string): Promise<TextTokenizer> {
    const read = async (name: string) => {
      try {
        return await readFile(join(modelDir, name), 'utf8')
      } catch (error) {
        throw new CheckpointError(`the model folder has no readable ${name}`, { cause: error })
      }
    }
    const config = JSON.parse(await read('tokenizer_config.json')) as {
      added_tokens_decoder?: Record<string, AddedToken>
    }
    const vocab = JSON.parse(await read('vocab.json')) as Record<string, number>
    const lines = (await read('merges.txt')).split('\n')
    const merges = lines.filter((line) => line.length > 0 && !line.startsWith('#version'))
    const added = Object.entries(config.added_tokens_decoder ?? {}).map(([id, token]) => ({
      ...token,
      id: Number(id),
    }))
    const description = {
      added_tokens: added,
      normalizer: { type: 'NFC' },
      pre_tokenizer: {
        type: 'Sequence',
        pretokenizers: [
          { type: 'Split', pattern: { Regex: splitPattern }, behavior: 'Isolated', invert: false },
          { type: 'ByteLevel', add_prefix_space: false, trim_offsets: false, use_regex: false },
        ],
      },
      post_processor: null,
      decoder: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: false, use_regex: false },
      model: { type: 'BPE', vocab, merges: merges.map((line) => line.split(' ')), ignore_merges: false },
    }
    const byContent = new Map(added.map((token) => [token.content, token.id]))
    const contents = new Map(Object.entries(vocab).map(([content, id]) => [id, content]))
    for (const { id } of added) contents.delete(id)
    return new TextTokenizer(new Tokenizer(description, config), byContent, contents)
  }

  encode(text: string): number[] {
    return text === '' ? [] : this.#tokenizer.encode(text, { add_special_tokens: false }).ids
  }

  decode(ids: readonly number[]): string {
    return ids.length === 0
      ? ''
      : this.#tokenizer.decode([...ids], { skip_special_tokens: false, clean_up_tokenization_spaces: false })
  }

  /**
   * What a token of an answer adds to the text; characters may be cut between tokens. An added token is no text, whatever
   * is chosen at a high temperature or for noise.
   */
  bytes(id: number): Buffer {
    let bytes = this.#bytes.get(id)
    if (!bytes) {
      const content = this.#contents.get(id) ?? ''
      bytes = Buffer.from(Array.from(content, (character) => byteOfCharacter.get(character) ?? 0x3f))
      this.#bytes.set(id, bytes)
    }
    return bytes
  }

  /** Id of a control token such as `<|im_end|>`. */
  controlId(content: string): number {
    const id = this.#added.get(content)
    if (id === undefined) throw new CheckpointError(`tokenizer_config.json has no token ${content}`)
    return id
  }

  /** Removes everything that would be read as a control token, so that a client cannot write its own turns. */
  withoutControlTokens(text: string): string {
    return removeControlTokens(text, this.#added.keys())
  }
}
