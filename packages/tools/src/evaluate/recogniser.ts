import { z } from 'zod'
import { ClusterClient, type ClusterClientOptions } from '../client/cluster-client.js'
import { ToolError } from '../common/tool-error.js'
import { openLocalEngine, type LocalEngineOptions } from '../transcribe/local-engine.js'

export interface Recognised {
  text: string
  /** As the model names it; null where it does not. */
  language: string | null
  /** Seconds of sound; null where the server does not tell. */
  durationSeconds: number | null
}

/** What is evaluated: a running cluster, or a model in this process. */
export interface Recogniser extends AsyncDisposable {
  readonly concurrency: number
  recognise(path: string, language: string): Promise<Recognised>
}

const answerSchema = z.object({
  text: z.string(),
  language: z.string().nullish(),
  duration: z.number().nullish(),
})

export function clusterRecogniser(
  options: ClusterClientOptions & { modelName?: string | undefined; concurrency: number },
): Recogniser {
  const client = new ClusterClient(options)
  return {
    concurrency: options.concurrency,
    async recognise(path, language) {
      const { body } = await client.transcribe({
        path,
        model: options.modelName,
        fields: { language, response_format: 'json' },
      })
      const { text, language: heard, duration } = parseAnswer(body)
      return { text, language: heard || null, durationSeconds: duration ?? null }
    },
    async [Symbol.asyncDispose]() {},
  }
}

function parseAnswer(body: string): z.output<typeof answerSchema> {
  try {
    return answerSchema.parse(JSON.parse(body))
  } catch (error) {
    throw new ToolError('bad_answer', `the answer has no text: ${body.slice(0, 200)}`, { cause: error })
  }
}

/** Throws CheckpointError. */
export async function localRecogniser(options: LocalEngineOptions): Promise<Recogniser> {
  const local = await openLocalEngine(options)
  return {
    concurrency: local.engine.slots,
    async recognise(path, language) {
      const {
        text,
        language: heard,
        durationSeconds,
      } = await local.transcribeFile(path, { language, prompt: '' })
      return { text, language: heard || null, durationSeconds }
    },
    [Symbol.asyncDispose]: () => local[Symbol.asyncDispose](),
  }
}
