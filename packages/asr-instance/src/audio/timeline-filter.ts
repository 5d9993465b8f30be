/** Longer silence is not put in, at the start nor in a gap: time stamps that say so are broken, and ffmpeg holds it all in memory. */
const maxSilenceSeconds = 600
/** A gap is a step of the time stamps of at least so much … */
const minStepSeconds = 0.05
/** … that puts the sound so much behind them. A muxer's rounding, and packets stamped when they arrived, do not. */
const minGapSeconds = 0.2

/**
 * Mono at that rate, with silence where the sound begins later than its video or has a gap, or the times of all that follows
 * would be too early. Nothing is ever dropped, and of time stamps that go back, or jump too far, only what they say from there on
 * counts: broken ones would cost sound. First the conversion, which bounds what the silence takes.
 */
export function timelineFilter(sampleRate: number): string {
  return [
    `aresample=${sampleRate}`,
    'aformat=sample_fmts=s16:channel_layouts=mono',
    `asetpts=${escaped(presentationTime())}`,
    'aresample=first_pts=0:min_hard_comp=0.1',
  ].join(',')
}

/**
 * Where a frame belongs, in samples: behind all before it (`N`) and the silence so far. The expression's variables: 0 where the
 * next frame is expected by its time stamp, 1 the silence so far, 2 the time stamp at which the timeline begins.
 */
function presentationTime(): string {
  const step = 'PTS-ld(0)'
  const missing = 'PTS-ld(2)-N-ld(1)'
  const lateStart = `if(isnan(STARTPTS),0,clip(STARTPTS,0,${maxSilenceSeconds}*SR))`
  const begin = `st(1,${lateStart});st(2,PTS-ld(1))`
  const isBroken = `lt(${step},-SR)+gt(${step},${maxSilenceSeconds}*SR)`
  const beginAgain = 'st(2,PTS-N-ld(1))'
  const isGap = `gt(${step},${minStepSeconds}*SR)*gt(${missing},${minGapSeconds}*SR)`
  const fill = 'st(1,PTS-ld(2)-N)'
  const place = `if(eq(N,0),${begin},if(${isBroken},${beginAgain},if(${isGap},${fill})))`
  return `${place};st(0,PTS+S);N+ld(1)`
}

/** Commas and semicolons separate filters. */
function escaped(expression: string): string {
  return expression.replaceAll(/[,;]/g, String.raw`\$&`)
}
