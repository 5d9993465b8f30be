import { readFile } from 'node:fs/promises'
import OpenAI from 'openai'
import type { ClusterConfigInput } from '@asr-cluster/supervisor'
import { evalDir } from '../engine/eval-set.ts'
import type { TestCluster } from '../harness/index.js'

export const apiKey = 'a-key-for-this-test'
export const model = 'whisper-1'

/** float32, so that the words are the same on every machine; a name that clients of OpenAI insist on. */
export const apiConfig: ClusterConfigInput = {
  groups: [{ aliases: [model], quantization: 'none', instances: 1 }],
}

/** The official client, with nothing changed but its base URL. */
export function officialClient(cluster: Pick<TestCluster, 'url'>, key = apiKey): OpenAI {
  return new OpenAI({ baseURL: `${cluster.url}/v1`, apiKey: key, maxRetries: 0 })
}

/** A clip whose words also survive a telephone. */
export const clip = { path: `${evalDir}/034.wav`, text: 'Speech recognition on twenty six servers.' }

export async function clipFile(name = 'speech.wav'): Promise<File> {
  return new File([await readFile(clip.path)], name)
}

/** A WAV file of the eval clips one after the other, and how long it is. */
export async function joinedClips(count: number): Promise<{ wav: Buffer<ArrayBuffer>; seconds: number }> {
  const files = await Promise.all(
    Array.from({ length: count }, (_, index) =>
      readFile(`${evalDir}/${String(index % 80).padStart(3, '0')}.wav`),
    ),
  )
  const samples = Buffer.concat(files.map((file) => file.subarray(44)))
  const wav = Buffer.concat([files[0]!.subarray(0, 44), samples])
  wav.writeUInt32LE(wav.length - 8, 4)
  wav.writeUInt32LE(samples.length, 40)
  return { wav, seconds: samples.length / 32_000 }
}

/** Sum of a series of `/metrics` over its labels, or of those whose line matches. */
export async function metric(
  cluster: Pick<TestCluster, 'url'>,
  name: string,
  having: RegExp = /./,
): Promise<number> {
  const response = await fetch(`${cluster.url}/metrics`, { headers: { authorization: `Bearer ${apiKey}` } })
  const lines = (await response.text()).split('\n')
  return lines
    .filter((line) => (line.startsWith(`${name}{`) || line.startsWith(`${name} `)) && having.test(line))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0)
}
