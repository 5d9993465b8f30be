/** A request that waits to join, a client that left and a text that streams wait for the end of a run. */
const longestRunSeconds = 0.2
/**
 * Each run carries the whole cache to the device: with 16 steps that costs a sixteenth of it per step. 32 rows of 500
 * tokens of Qwen3-ASR-1.7B are 1.8 GB, some 80 ms at 25 GB/s: 5 ms a step, where reading the weights once takes 1 to 4.
 */
const fewest = 16
/** Rows that end early are computed on until the run ends; beyond this the crossing is small anyway. */
export const mostStepsPerRun = 64

export interface StepsQuestion {
  /** Of the last run, its crossing included; undefined before the first one. */
  stepSeconds: number | undefined
  /** Tokens left to the row that may have the most. */
  longest: number
}

/** How many decode steps one run should do: as many as 0.2 s hold, within bounds. Pure. */
export function stepsPerRun({ stepSeconds, longest }: StepsQuestion): number {
  const inTime = stepSeconds === undefined ? fewest : Math.floor(longestRunSeconds / stepSeconds)
  return Math.max(1, Math.min(longest, mostStepsPerRun, Math.max(fewest, inTime)))
}
