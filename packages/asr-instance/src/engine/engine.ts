/** What the HTTP side of the instance knows of the engine. Audio is always mono, 16 kHz, in -1 to 1. */
export interface Engine {
  readonly model: ModelInfo
  /** Rows decoded together; also how many requests this instance takes at once. */
  readonly slots: number
  /** Grows with every finished step of any request: busy and moving is not dead. */
  readonly progress: number
  /**
   * Transcribes one recording of any length. Consumes `audio` with back-pressure, so that hours of it never
   * stand in memory. Throws AsrError; rejects with `client_closed` soon after `signal` aborts.
   */
  transcribe(audio: AsyncIterable<Float32Array>, options: TranscribeOptions): Promise<Transcription>
  /**
   * Throws `invalid_request` for a prompt that leaves no room for the text of a piece of full length: of a recording that is
   * still spoken nobody knows how long its pieces get.
   */
  checkPrompt(prompt: string, language: string | null): void
  /** Begins to transcribe a recording while it is spoken. */
  listen(options: LiveOptions): LiveTranscription
  close(): Promise<void>
}

export interface ModelInfo {
  /** Folder name or hub id, as given. */
  name: string
  quantization: string
  /** Languages the checkpoint declares, by their English names. */
  languages: readonly string[]
  executionProvider: string
}

export interface TranscribeOptions {
  /** English name of the language as in languages.ts, or null to let the model decide. */
  language: string | null
  /** Context for the system turn; control tokens in it are removed by the engine. */
  prompt: string
  /** 0 is greedy. */
  temperature: number
  /** Per piece; the engine has a default. */
  maxNewTokens?: number
  signal: AbortSignal
  /** Text as it is decided, in order; the concatenation of all deltas is the final text, but for loops: see repetition.ts. */
  onDelta?: (delta: string) => void
  /** What the stages of a piece took, as soon as it is done: seconds before this call. */
  onStages?: (stages: readonly StageTime[]) => void
}

export interface StageTime {
  stage: 'features' | 'encoder' | 'prefill' | 'decode'
  begun: number
  ended: number
}

export interface Segment {
  id: number
  /** Seconds from the start of the recording. */
  start: number
  end: number
  text: string
  language: string
  tokens: number[]
  /** Mean natural log-probability of the chosen tokens. */
  avgLogprob: number
}

export interface Transcription {
  text: string
  /** Detected or forced language, English name; '' where the model named none. */
  language: string
  durationSeconds: number
  segments: Segment[]
  promptTokens: number
  outputTokens: number
  /** Geometric mean of the chosen tokens' probabilities, 0 to 1; null for empty text. */
  confidence: number | null
}

export interface LiveOptions extends Pick<TranscribeOptions, 'language' | 'prompt'> {
  /** Seconds of sound between two guesses. */
  stepSeconds: number
  /**
   * A guess at the text behind what is decided. Its first `certain` characters are those of the next guess, unless a text
   * is decided before.
   */
  onGuess: (text: string, certain: number) => void
  /** The text of a piece of the recording, finally, in order. The next guess is about what follows. */
  onDecided: (text: string) => void
  /** No text will come, and further sound is dropped: `finish` tells why. Not called after `cancel`. */
  onFailed: () => void
}

export interface LiveTranscription {
  /** Sound that stands in memory because its text is not decided, but for the piece that is still open. */
  undecidedSeconds(): number
  /** Takes sound as it comes. */
  push(samples: Float32Array): void
  /** No more comes. Answers what `transcribe` does for the same sound, and rejects as it does. */
  finish(): Promise<Transcription>
  /** Ends all work on it; a `finish` rejects with `client_closed`. */
  cancel(): void
}
