import { repositoryRoot } from './program.js'

export const fixtures = `${repositoryRoot}packages/supervisor/src/fixtures/`

/** The supervisor over programs without a model; made before the first test (bundle-supervisor.ts). */
export const supervisorProgram = `${repositoryRoot}node_modules/.test/supervise.js`
