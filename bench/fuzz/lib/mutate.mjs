import { seededRandom } from '../../balancer/lib/random.mjs'

const interestingBytes = [0, 1, 0x7f, 0x80, 0xff, 0x0a, 0x0d, 0x20, 0x22, 0x2d, 0x3a]
const interestingWords = [0, 1, 2, 0x7f, 0xff, 0x7fff, 0xffff, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff]

/** A source of inputs: good ones, damaged in a few places, which reaches deeper than noise does. Same seed, same inputs. */
export function mutator(seed, seeds, dictionary = []) {
  const random = seededRandom(seed)
  const below = (count) => Math.floor(random() * count)
  const of = (list) => list[below(list.length)]
  const splice = (bytes, at, removed, inserted) =>
    Buffer.concat([bytes.subarray(0, at), inserted, bytes.subarray(Math.min(bytes.length, at + removed))])
  const tokens = dictionary.map((text) => (Buffer.isBuffer(text) ? text : Buffer.from(text, 'latin1')))

  const damages = [
    (bytes) => bytes.subarray(0, below(bytes.length + 1)),
    (bytes) => splice(bytes, below(bytes.length + 1), 1 + below(30), Buffer.alloc(0)),
    (bytes) => splice(bytes, below(bytes.length + 1), 1, Buffer.from([of(interestingBytes)])),
    (bytes) => splice(bytes, below(bytes.length + 1), 1, Buffer.from([below(256)])),
    (bytes) =>
      splice(bytes, below(bytes.length + 1), below(3), Buffer.alloc(1 + below(40), of(interestingBytes))),
    (bytes) => {
      if (bytes.length < 4) return bytes
      const changed = Buffer.from(bytes)
      const at = below(bytes.length - 3)
      if (random() < 0.5) changed.writeUInt32LE(of(interestingWords), at)
      else changed.writeUInt16LE(of(interestingWords) & 0xffff, at)
      return changed
    },
    (bytes) => {
      const at = below(bytes.length + 1)
      return splice(bytes, below(bytes.length + 1), 0, bytes.subarray(at, at + below(200)))
    },
    (bytes) => {
      const other = of(seeds)
      const at = below(other.length + 1)
      return splice(bytes, below(bytes.length + 1), below(40), other.subarray(at, at + below(300)))
    },
    (bytes) => (tokens.length === 0 ? bytes : splice(bytes, below(bytes.length + 1), below(4), of(tokens))),
  ]

  return {
    random,
    below,
    of,
    next() {
      let bytes = of(seeds)
      for (let times = 1 + below(4); times > 0; times -= 1) bytes = of(damages)(bytes)
      return bytes
    },
  }
}
