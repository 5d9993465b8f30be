export { includedFiles } from './included-files.js'
export { migrate } from './migrate.js'
export type { Migration } from './migrate.js'
