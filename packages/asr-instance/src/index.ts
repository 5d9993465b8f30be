export { CheckpointError } from './engine/checkpoint/checkpoint-error.js'
export { compileModel, quantizations, type Quantization } from './engine/compile/compile.js'
export { createEngine, defaultCacheDir, type CreateEngineOptions } from './engine/create-engine.js'
export type { Engine, ModelInfo, Segment, TranscribeOptions, Transcription } from './engine/engine.js'
