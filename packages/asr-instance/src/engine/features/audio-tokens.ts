import { chunkFrames, chunkTokens } from '../compile/encoder-graph.js'

/** Tokens that a chunk of `frames` mel frames leaves after three convolutions of stride 2. */
export function tokensOfChunk(frames: number): number {
  let tokens = frames
  for (let i = 0; i < 3; i++) tokens = Math.floor((tokens - 1) / 2) + 1
  return frames === 0 ? 0 : tokens
}

/** Audio tokens of a clip: 13 per whole second, fewer for the rest. */
export function audioTokens(frames: number): number {
  return chunkTokens * Math.floor(frames / chunkFrames) + tokensOfChunk(frames % chunkFrames)
}
