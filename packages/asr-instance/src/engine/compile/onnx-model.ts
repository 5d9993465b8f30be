import protobuf from 'protobufjs/minimal.js'

const { Writer } = protobuf
type Writer = protobuf.Writer

/** Element types of onnx.TensorProto.DataType that the compiler writes. */
export const dataType = { float: 1, uint8: 2, int8: 3, int32: 6, int64: 7, bool: 9, float16: 10 } as const
export type DataType = keyof typeof dataType

export type Attribute = number | bigint | string | readonly bigint[] | OnnxGraph

export interface OnnxNode {
  op: string
  domain: string
  inputs: readonly string[]
  outputs: readonly string[]
  /** number → float, bigint → int, bigint[] → ints, string → string, a graph → the body of a `Loop`. */
  attributes: Readonly<Record<string, Attribute>>
}

export interface OnnxInitializer {
  name: string
  type: DataType
  dims: readonly number[]
  /** Inline little-endian bytes, or where they lie in the external data file. */
  data: Uint8Array | { location: string; offset: number; length: number }
}

export interface OnnxValue {
  name: string
  type: DataType
  /** Strings are symbolic dimensions. */
  dims: readonly (number | string)[]
}

export interface OnnxGraph {
  name: string
  nodes: readonly OnnxNode[]
  initializers: readonly OnnxInitializer[]
  inputs: readonly OnnxValue[]
  outputs: readonly OnnxValue[]
}

/** Of the file format and of the standard operators. */
export interface OnnxVersions {
  ir: number
  opset: number
}

const compilerVersions: OnnxVersions = { ir: 10, opset: 21 }

/** Encodes onnx.ModelProto (with com.microsoft 1). Field numbers are those of onnx.proto. */
export function encodeModel(graph: OnnxGraph, { ir, opset }: OnnxVersions = compilerVersions): Uint8Array {
  const writer = Writer.create()
  writer.uint32(tag(1, 0)).int64(ir)
  writer.uint32(tag(2, 2)).string('asr-cluster')
  message(writer, 7, (out) => writeGraph(out, graph))
  for (const [domain, version] of [
    ['', opset],
    ['com.microsoft', 1],
  ] as const) {
    message(writer, 8, (out) => {
      out.uint32(tag(1, 2)).string(domain)
      out.uint32(tag(2, 0)).int64(version)
    })
  }
  return writer.finish()
}

function writeGraph(writer: Writer, graph: OnnxGraph): void {
  for (const node of graph.nodes) message(writer, 1, (out) => writeNode(out, node))
  writer.uint32(tag(2, 2)).string(graph.name)
  for (const initializer of graph.initializers) message(writer, 5, (out) => writeTensor(out, initializer))
  for (const value of graph.inputs) message(writer, 11, (out) => writeValue(out, value))
  for (const value of graph.outputs) message(writer, 12, (out) => writeValue(out, value))
}

function writeNode(writer: Writer, node: OnnxNode): void {
  for (const input of node.inputs) writer.uint32(tag(1, 2)).string(input)
  for (const output of node.outputs) writer.uint32(tag(2, 2)).string(output)
  writer.uint32(tag(3, 2)).string(node.outputs[0] ?? node.op)
  writer.uint32(tag(4, 2)).string(node.op)
  for (const [name, value] of Object.entries(node.attributes)) {
    message(writer, 5, (out) => writeAttribute(out, name, value))
  }
  if (node.domain) writer.uint32(tag(7, 2)).string(node.domain)
}

function writeAttribute(writer: Writer, name: string, value: Attribute): void {
  writer.uint32(tag(1, 2)).string(name)
  if (typeof value === 'number') {
    writer.uint32(tag(2, 5)).float(value)
    writer.uint32(tag(20, 0)).int32(1)
  } else if (typeof value === 'bigint') {
    writer.uint32(tag(3, 0)).int64(Number(value))
    writer.uint32(tag(20, 0)).int32(2)
  } else if (typeof value === 'string') {
    writer.uint32(tag(4, 2)).string(value)
    writer.uint32(tag(20, 0)).int32(3)
  } else if ('nodes' in value) {
    message(writer, 6, (out) => writeGraph(out, value))
    writer.uint32(tag(20, 0)).int32(5)
  } else {
    for (const item of value) writer.uint32(tag(8, 0)).int64(Number(item))
    writer.uint32(tag(20, 0)).int32(7)
  }
}

function writeTensor(writer: Writer, { name, type, dims, data }: OnnxInitializer): void {
  for (const dim of dims) writer.uint32(tag(1, 0)).int64(dim)
  writer.uint32(tag(2, 0)).int32(dataType[type])
  writer.uint32(tag(8, 2)).string(name)
  if (data instanceof Uint8Array) {
    writer.uint32(tag(9, 2)).bytes(data)
    return
  }
  for (const [key, value] of Object.entries(data)) {
    message(writer, 13, (out) => {
      out.uint32(tag(1, 2)).string(key)
      out.uint32(tag(2, 2)).string(String(value))
    })
  }
  writer.uint32(tag(14, 0)).int32(1) // data_location EXTERNAL
}

function writeValue(writer: Writer, { name, type, dims }: OnnxValue): void {
  writer.uint32(tag(1, 2)).string(name)
  message(writer, 2, (typeProto) =>
    message(typeProto, 1, (tensor) => {
      tensor.uint32(tag(1, 0)).int32(dataType[type])
      message(tensor, 2, (shape) => {
        for (const dim of dims) {
          message(shape, 1, (out) => {
            if (typeof dim === 'number') out.uint32(tag(1, 0)).int64(dim)
            else out.uint32(tag(2, 2)).string(dim)
          })
        }
      })
    }),
  )
}

function message(writer: Writer, field: number, write: (inner: Writer) => void): void {
  writer.uint32(tag(field, 2)).fork()
  write(writer)
  writer.ldelim()
}

function tag(field: number, wireType: number): number {
  return (field << 3) | wireType
}
