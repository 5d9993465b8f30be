import { open, readFile, rename, writeFile, type FileHandle } from 'node:fs/promises'
import protobuf from 'protobufjs/minimal.js'

const { Reader, Writer } = protobuf
type Reader = protobuf.Reader
type Writer = protobuf.Writer

/**
 * What onnxruntime's kernels expect of a packed weight's address. `MatMulNBits` rounds it up before it looks for its
 * parts, so that a weight at another address than a multiple of this is read at wrong places.
 */
const alignment = 64
const copyBytes = 1 << 22

/** Field numbers of onnx.proto. */
const modelGraph = 7
const graphInitializer = 5
const tensorExternalData = 13

/** Moves every stretch of the weights of an onnxruntime graph to an aligned place. */
export async function alignWeights(graphPath: string, weightsPath: string): Promise<void> {
  const aligned = `${weightsPath}.aligned`
  const from = await open(weightsPath)
  const to = await open(aligned, 'wx')
  try {
    const stretches: { from: number; to: number; length: number }[] = []
    let end = 0
    const place = (offset: number, length: number): number => {
      const at = Math.ceil(end / alignment) * alignment
      stretches.push({ from: offset, to: at, length })
      end = at + length
      return at
    }
    const graph = movedGraph(await readFile(graphPath), place)
    for (const stretch of stretches) await copy(from, to, stretch)
    await writeFile(graphPath, graph)
  } finally {
    await from.close()
    await to.close()
  }
  await rename(aligned, weightsPath)
}

/** A model whose weights lie where `place(offset, length)` says, for each stretch of the weights in turn. */
export function movedGraph(model: Uint8Array, place: (offset: number, length: number) => number): Uint8Array {
  const moveTensor = (tensor: Uint8Array) => {
    const entries = new Map<string, string>()
    const rest = rewrite(tensor, tensorExternalData, (entry) => {
      const { key, value } = readEntry(entry)
      entries.set(key, value)
      return undefined
    })
    if (entries.size === 0) return tensor
    const moved = place(Number(entries.get('offset') ?? 0), Number(entries.get('length')))
    entries.set('offset', String(moved))
    for (const [key, value] of entries) {
      if (key.startsWith('prepacked_')) entries.set(key, movedBlobs(value, place))
    }
    const writer = Writer.create()
    for (const [key, value] of entries) {
      writer.uint32((tensorExternalData << 3) | 2).fork()
      writer.uint32((1 << 3) | 2).string(key)
      writer.uint32((2 << 3) | 2).string(value)
      writer.ldelim()
    }
    return Buffer.concat([rest, writer.finish()])
  }
  return rewrite(model, modelGraph, (graph) => rewrite(graph, graphInitializer, moveTensor))
}

/** `name|offset;length;…|offset;length;…`: what a kernel packed of one weight. */
function movedBlobs(value: string, place: (offset: number, length: number) => number): string {
  const [name, ...blobs] = value.split('|')
  const moved = blobs.map((blob) => {
    const [offset, length, ...rest] = blob.split(';')
    return [place(Number(offset), Number(length)), length, ...rest].join(';')
  })
  return [name, ...moved].join('|')
}

function readEntry(bytes: Uint8Array): { key: string; value: string } {
  const reader = Reader.create(bytes)
  const entry = { key: '', value: '' }
  while (reader.pos < reader.len) {
    const field = reader.uint32() >>> 3
    if (field === 1) entry.key = reader.string()
    else entry.value = reader.string()
  }
  return entry
}

/** A message in which each occurrence of a field that is a message is another one, or left out. */
function rewrite(
  message: Uint8Array,
  field: number,
  change: (inner: Uint8Array) => Uint8Array | undefined,
): Uint8Array {
  const reader: Reader = Reader.create(message)
  const parts: Uint8Array[] = []
  let kept = 0
  while (reader.pos < reader.len) {
    const start = reader.pos
    const tag = reader.uint32()
    if (tag >>> 3 !== field) {
      reader.skipType(tag & 7)
      continue
    }
    const inner = change(reader.bytes())
    parts.push(message.subarray(kept, start))
    kept = reader.pos
    if (inner) parts.push((Writer.create() as Writer).uint32(tag).bytes(inner).finish())
  }
  return Buffer.concat([...parts, message.subarray(kept)])
}

async function copy(
  from: FileHandle,
  to: FileHandle,
  stretch: { from: number; to: number; length: number },
): Promise<void> {
  const buffer = Buffer.alloc(Math.min(copyBytes, stretch.length))
  for (let done = 0; done < stretch.length;) {
    const wanted = Math.min(buffer.length, stretch.length - done)
    const { bytesRead } = await from.read(buffer, 0, wanted, stretch.from + done)
    if (bytesRead === 0) throw new Error('the packed weights are shorter than their graph says')
    await to.write(buffer, 0, bytesRead, stretch.to + done)
    done += bytesRead
  }
}
