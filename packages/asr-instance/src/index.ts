export { decodeAudio, type DecodedAudio } from './audio/decode.js'
export { findExecutable } from './audio/find-executable.js'
export { Spool } from './audio/spool.js'
export { parseWavHeader } from './audio/wav-header.js'
export { ConfigurationError } from './configuration-error.js'
export { CheckpointError } from './engine/checkpoint/checkpoint-error.js'
export { readModelConfig } from './engine/checkpoint/model-config.js'
export { checkEntries, type CheckedEntry } from './engine/compile/check-entries.js'
export { compiledQuantizations, compileModel, type CompileOptions } from './engine/compile/compile.js'
export {
  outdatedEntries,
  removeOutdatedEntries,
  type OutdatedEntry,
} from './engine/compile/outdated-entries.js'
export { withFileLock } from './engine/compile/file-lock.js'
export { createEngine, defaultCacheDir, type CreateEngineOptions } from './engine/create-engine.js'
export type { Engine, ModelInfo, Segment, TranscribeOptions, Transcription } from './engine/engine.js'
export { toJson, toVerbose } from './http/answers.js'
export { responseFormats, type ResponseFormat } from './http/form.js'
export { buildCues } from './http/subtitles/cues.js'
export { toSrt, toVtt } from './http/subtitles/format.js'
export { languageCodes, parseLanguage } from './languages.js'
export { probeProvider } from './engine/runtime/choose-device.js'
