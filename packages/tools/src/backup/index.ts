export { checkModels, createBackup, parseBackup } from './backup.js'
export type { Backup, BackupModel, ModelVerdict } from './backup.js'
