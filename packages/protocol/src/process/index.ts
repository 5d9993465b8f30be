export { ownMemoryBytes } from './own-memory.js'
