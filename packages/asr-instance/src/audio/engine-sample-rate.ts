/** Samples a second that the engine takes, mono. */
export const engineSampleRate = 16_000
