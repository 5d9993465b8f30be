import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** Minutes of real time each; CI runs them after the others (npm run test:long). */
const long = [
  'test/docs/**/*.test.ts',
  'test/engine/software-vulkan.test.ts',
  'test/observability/live-alerts.test.ts',
]

/** Counts late answers, so nothing runs beside it. */
const alone = ['test/faults/lab.test.ts']

/** Whole-system tests use our packages as others do: built, and loaded by node itself. */
const built = { deps: { external: [/\/packages\/[^/]+\/dist\//] } }

/** Without figures of an earlier run vitest starts the largest file first. The one that takes longest is a short one. */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const isLongest = ({ moduleId }: TestSpecification) => moduleId.endsWith('/software-vulkan.test.ts')
    const sorted = await super.sort(files)
    return [...sorted.filter(isLongest), ...sorted.filter((file) => !isLongest(file))]
  }
}

export default defineConfig({
  test: {
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        test: {
          name: 'unit',
          include: ['packages/*/src/**/*.test.ts'],
          setupFiles: 'test/harness/own-dispatcher.ts',
          // They leave nothing behind, so that a process for each of 180 files, with all its modules, is not needed.
          isolate: false,
          // One is left to vitest by default, also of two.
          maxWorkers: Math.max(2, availableParallelism() - 1),
          testTimeout: 20_000,
        },
      },
      {
        test: {
          name: 'system',
          server: built,
          include: ['test/**/*.test.ts'],
          exclude: [...long, ...alone],
          globalSetup: 'test/harness/bundle-supervisor.ts',
          // Each of these starts real programs, which mostly wait for one another: a small machine can carry two files.
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          name: 'long',
          server: built,
          include: long,
          // One of them computes, the others mostly wait.
          maxWorkers: 2,
          sequence: { groupOrder: 2 },
          testTimeout: 240_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          name: 'alone',
          server: built,
          include: alone,
          maxWorkers: 1,
          sequence: { groupOrder: 3 },
          testTimeout: 240_000,
        },
      },
    ],
  },
})
