// The real supervisor and the real balancer, with the lab's instances. Arguments: the configuration file, the state folder.
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { setFlagsFromString } from 'node:v8'
import { nodeArguments } from '../../../packages/balancer/dist/index.js'
import { clusterConfigSchema, startSupervisor } from '../../../packages/supervisor/dist/index.js'

// As `asr-cluster up` does.
setFlagsFromString('--optimize-for-size')
const [configFile, stateDir] = process.argv.slice(2)
const pathOf = (relative) => fileURLToPath(new URL(relative, import.meta.url))
const packages = '../../../packages'
const loadConfig = () => clusterConfigSchema.parse(JSON.parse(readFileSync(configFile, 'utf8')))
const supervisor = await startSupervisor({
  config: loadConfig(),
  loadConfig,
  stateDir,
  commands: {
    instance: [process.execPath, pathOf('instance.mjs')],
    balancer: [process.execPath, ...nodeArguments, pathOf(`${packages}/balancer/bin/asr-balancer.js`)],
    cli: [process.execPath, pathOf(`${packages}/supervisor/bin/asr-cluster.js`)],
  },
  onEvent: (event) => event.type === 'notice' && console.error(event.text),
})
console.log(JSON.stringify({ port: supervisor.port }))
for (const name of ['SIGTERM', 'SIGINT']) process.on(name, () => void supervisor.shutDown())
await supervisor.finished
