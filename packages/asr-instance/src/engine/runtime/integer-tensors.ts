import { ort } from './onnxruntime.js'

/** In one dimension unless told otherwise. */
export function int64(values: readonly number[], dims: readonly number[] = [values.length]): ort.Tensor {
  return new ort.Tensor('int64', BigInt64Array.from(values, BigInt), dims)
}

export function int32(values: Int32Array, dims: readonly number[] = [values.length]): ort.Tensor {
  return new ort.Tensor('int32', values, dims)
}
