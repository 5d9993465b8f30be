import { ClusterClient, type ClusterClientOptions } from '../client/cluster-client.js'
import type { Transcriber } from './transcriber.js'

/** `modelName` chooses among the models of a cluster; empty for its only one. */
export function clusterTranscriber(
  options: ClusterClientOptions & { modelName?: string | undefined; concurrency: number },
): Transcriber {
  const client = new ClusterClient(options)
  return {
    concurrency: options.concurrency,
    async transcribe({ path, language, prompt, format, signal }) {
      const fields = { language, prompt, response_format: format }
      const { body } = await client.transcribe({ path, model: options.modelName, fields, signal })
      return body
    },
    async [Symbol.asyncDispose]() {},
  }
}
