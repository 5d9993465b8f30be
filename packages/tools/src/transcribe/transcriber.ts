export const transcriptFormats = ['text', 'json', 'verbose_json', 'srt', 'vtt'] as const
export type TranscriptFormat = (typeof transcriptFormats)[number]

export interface TranscriptRequest {
  path: string
  /** As the user wrote it; `auto` lets the model decide. */
  language: string
  prompt: string
  format: TranscriptFormat
  signal?: AbortSignal | undefined
}

/** Turns files into text: a running cluster, or the engine in this process. */
export interface Transcriber extends AsyncDisposable {
  /** How many files it works on at once. */
  readonly concurrency: number
  /** The transcript in the format that was asked for. Throws ToolError or AsrError. */
  transcribe(request: TranscriptRequest): Promise<string>
}
