/* Packs the weights of a graph (src/engine/compile/pack.ts). A program of its own, because what it holds meanwhile, all
   weights twice, is given back for certain only when it ends. */
import { join } from 'node:path'
import * as ort from 'onnxruntime-node'

const [from, to] = process.argv.slice(2)
await ort.InferenceSession.create(from, {
  optimizedModelFilePath: join(to, 'packed.onnx'),
  // It warns that the result is for this machine only; machineKey sees to that.
  logSeverityLevel: 3,
  extra: {
    session: {
      save_external_prepacked_constant_initializers: '1',
      optimized_model_external_initializers_file_name: 'packed.weights',
      // Smaller ones stand in the graph itself.
      optimized_model_external_initializers_min_size_in_bytes: '1024',
    },
  },
})
