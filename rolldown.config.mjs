// The three programs, each as a few files with the libraries in them: a process finds and reads some 400 modules less, which
// nearly halves the processor time of its start (bench/supervisor/start.mjs), and shortens the time that a restarted one is away.
import { existsSync } from 'node:fs'
import { defineConfig } from 'rolldown'

const programs = {
  // Its threads are programs of their own, in the same folder.
  'asr-instance': [
    'cli',
    'engine/runtime/worker',
    'engine/runtime/preparation-worker',
    'engine/features/feature-worker',
  ],
  balancer: ['cli'],
  supervisor: ['cli/main'],
}

// What has a native part, what the user's own tracing must share with us, and the engine in the commands that need it,
// which finds its threads beside itself.
const external = ['onnxruntime-node', '@opentelemetry/api', '@asr-cluster/asr-instance']

export default defineConfig(
  Object.entries(programs)
    .map(([name, entries]) => ({ folder: `packages/${name}/dist`, entries }))
    // An image is built from the packages that are in it.
    .filter(({ folder }) => existsSync(folder))
    .map(({ folder, entries }) => ({
      input: entries.map((entry) => `${folder}/${entry}.js`),
      platform: 'node',
      external,
      output: { dir: `${folder}/programs`, cleanDir: true },
    })),
)
