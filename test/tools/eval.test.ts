import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { readEvalSet, referenceText, wordErrorRate } from '../engine/eval-set.ts'
import { repositoryRoot, startCluster } from '../harness/index.js'

const manifest = join(repositoryRoot, 'models/demo/eval/manifest.jsonl')

interface Evaluation {
  normalisation: string
  all: {
    wer: number
    words: { length: number }
    languageRight: number
    languageKnown: number
    audioSeconds: number
  }
  languages: { language: string; clips: number }[]
  clips: { audio: string; said: string; heard: string; wer: number }[]
}

it('measures the demo model as the reference does, with and without a cluster', async () => {
  await using cluster = await startCluster()
  const served = await cluster.cli('eval', manifest, '--json')
  expect(served, served.stderr).toMatchObject({ code: 0, stderr: '' })
  const evaluation = JSON.parse(served.stdout) as Evaluation
  const set = await readEvalSet()
  const reference = wordErrorRate(set, set.map(referenceText))
  expect(evaluation.all.words.length).toBe(455)
  expect(Math.abs(evaluation.all.wer - reference)).toBeLessThanOrEqual(0.005)
  expect(evaluation.all).toMatchObject({ languageRight: 80, languageKnown: 80 })
  expect(evaluation.all.audioSeconds).toBeGreaterThan(180)
  expect(evaluation.languages.map(({ language, clips }) => [language, clips])).toEqual([
    ['Chinese', 6],
    ['English', 74],
  ])
  const rates = evaluation.clips.map(({ wer }) => wer)
  expect(rates).toEqual(rates.toSorted((a, b) => b - a))

  const local = await cluster.cli('eval', manifest, '--json', '--local')
  const texts = ({ clips }: Evaluation) => Object.fromEntries(clips.map(({ audio, heard }) => [audio, heard]))
  const [inProcess, onCluster] = [texts(JSON.parse(local.stdout) as Evaluation), texts(evaluation)]
  const same = Object.keys(onCluster).filter((audio) => onCluster[audio] === inProcess[audio])
  // Another number of threads adds floats in another order, which may tip a close call.
  expect(same.length).toBeGreaterThanOrEqual(78)

  const strict = await cluster.cli('eval', manifest, '--max-wer', '1%', '--worst', '1', '--limit', '20')
  expect(strict.code).toBe(1)
  expect(strict.stderr).toMatch(/the word error rate \d\.\d % is above 1%/)
  expect(strict.stdout).toMatch(/^all +20 +\d+ +\d\.\d %/m)
  expect(strict.stdout.match(/ {4}said/g)).toHaveLength(1)
  expect(await cluster.cli('eval', manifest, '--max-wer', '0.2', '--limit', '5')).toMatchObject({ code: 0 })
})

it('ends with 1 for a clip that fails or a manifest that is none, and with 2 for wrong usage', async () => {
  await using cluster = await startCluster({ config: { groups: [{ instances: 1 }] } })
  const own = join(cluster.dir, 'own.jsonl')
  const hello = join(repositoryRoot, 'examples/hello.wav')
  const line = JSON.stringify({ audio: hello, text: 'welcome to the cluster', language: 'en' })
  await writeFile(own, `${line}\n{"audio":"gone.wav","text":"x"}\n`)
  const partly = await cluster.cli('eval', 'own.jsonl')
  expect(partly.code).toBe(1)
  expect(partly.stderr).toBe('gone.wav: there is no such file (no_such_file)\n')
  expect(partly.stdout).toMatch(/^English +1 +4 +0\.0 %/m)
  await writeFile(own, `${line}\n{"audio":`)
  const broken = await cluster.cli('eval', 'own.jsonl')
  expect(broken.code).toBe(1)
  expect(broken.stderr).toContain('own.jsonl:2: not JSON')
  expect((await cluster.cli('eval', 'none.jsonl')).stderr).toContain('(no_such_file)')
  expect(await cluster.cli('eval', 'own.jsonl', '--max-wer', 'low')).toMatchObject({ code: 2 })
})
