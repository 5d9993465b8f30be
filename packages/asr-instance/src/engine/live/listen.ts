import { PassThrough } from 'node:stream'
import type { LiveOptions, LiveTranscription } from '../engine.js'
import { sampleRate } from '../features/log-mel.js'
import { PieceCutter } from '../segment/cut-pieces.js'
import { answerRoom } from '../text/answer-room.js'
import { buildPrompt, type Prompt } from '../text/prompt.js'
import { transcribePieces, type TranscriberContext } from '../transcriber.js'
import { RollingGuess } from './rolling-guess.js'

/** More than anybody says in a second, so that a guess that runs away costs little. */
const tokensPerSecond = 24
const spareTokens = 16

/**
 * Transcribes sound while it comes. It is cut as a whole recording is, and a finished piece is decoded as there, so the
 * text in the end is that of an upload. Between the cuts the open piece is guessed at, step by step, by the official
 * streaming rule; it is never longer than a piece may be, so a step costs the same after an hour.
 */
export function listen(context: TranscriberContext, options: LiveOptions): LiveTranscription {
  const { worker, tokenizer } = context
  const { language } = options
  const stream = worker.openStream()
  const canceled = new AbortController()
  const cutter = new PieceCutter(context.cutRule)
  // Built by the first guess: one that is too long is told by the result, as that of an upload.
  let built: Prompt | undefined
  const stepSamples = options.stepSeconds * sampleRate
  let heard = 0
  let nextStepAt = stepSamples
  /** Finished pieces whose text is not decided: they come before any guess. */
  let undecided = 0
  /** Their samples, and those of the pieces of the end. */
  const waiting: number[] = []
  let finished = false
  let guess = new RollingGuess(tokenizer, language)
  let guessedUntil = 0
  let step = new AbortController()
  let isStepping = false

  // Failures and the end of the work are told by `result`; the stream may be left before its end.
  const pieces = new PassThrough({ objectMode: true }).on('error', () => {})
  const result = transcribePieces(
    context,
    pieces,
    {
      language,
      prompt: options.prompt,
      temperature: 0,
      stream,
      signal: canceled.signal,
      onPiece(text) {
        undecided--
        waiting.shift()
        options.onDecided(text)
        considerStep()
      },
    },
    () => heard / sampleRate,
  ).finally(() => {
    finished = true
    waiting.length = 0
    endGuess()
    worker.closeStream(stream)
  })
  result.catch(() => {
    if (!canceled.signal.aborted) options.onFailed()
  })

  function considerStep(): void {
    if (isStepping || finished || undecided > 0 || heard < nextStepAt) return
    nextStepAt = heard + stepSamples
    isStepping = true
    guessOnce()
      // A guess that fails is one that is not shown; the text in the end will tell.
      .catch(() => {})
      .finally(() => {
        isStepping = false
        considerStep()
      })
  }

  async function guessOnce(): Promise<void> {
    const piece = cutter.open()
    if (!piece) return
    const { signal } = step
    const { kept } = guess
    built ??= buildPrompt(tokenizer, options.prompt, language)
    const prompt = { before: built.before, after: [...built.after, ...kept] }
    const room = answerRoom(prompt, piece.samples.length, context.mostTokens)
    const newSeconds = piece.end - (kept.length === 0 ? piece.start : guessedUntil)
    const answer = await worker.decode(
      {
        samples: piece.samples,
        ...prompt,
        maxNewTokens: Math.min(
          room,
          context.maxNewTokens,
          Math.ceil(newSeconds * tokensPerSecond) + spareTokens,
        ),
        temperature: 0,
        isReadAlong: true,
        stream,
      },
      signal,
      () => {},
    )
    if (signal.aborted) return
    guessedUntil = piece.end
    // A loop must not become the beginning of the next guess.
    const isLoop = answer.reason === 'loop'
    const { text, certain } = guess.push(isLoop ? [] : answer.tokens)
    if (!isLoop) options.onGuess(text, certain)
  }

  /** What is guessed at is over. */
  function endGuess(): void {
    step.abort()
    step = new AbortController()
    guess = new RollingGuess(tokenizer, language)
  }

  return {
    undecidedSeconds() {
      return waiting.reduce((sum, samples) => sum + samples, 0) / sampleRate
    },
    push(samples) {
      // Nobody decides what comes after a failure: it would count as undecided for ever.
      if (finished) return
      heard += samples.length
      for (const piece of cutter.push(samples)) {
        endGuess()
        undecided++
        waiting.push(piece.samples.length)
        pieces.write(piece)
      }
      considerStep()
    },
    finish() {
      if (finished) return result
      finished = true
      endGuess()
      for (const piece of cutter.end()) {
        waiting.push(piece.samples.length)
        pieces.write(piece)
      }
      pieces.end()
      return result
    },
    cancel() {
      finished = true
      endGuess()
      canceled.abort()
      pieces.destroy()
    },
  }
}
