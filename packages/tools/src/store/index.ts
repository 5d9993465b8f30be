export { isHubId } from './model-id.js'
export { findPulledModel, modelDir, modelStoreDir, readPullRecord } from './model-store.js'
export type { PullRecord } from './model-store.js'
