export { parseBaseUrl } from './base-url.js'
export { ClusterClient } from './cluster-client.js'
export type { ClusterClientOptions, TranscriptionAnswer, TranscriptionRequest } from './cluster-client.js'
export { ServerError } from './server-error.js'
