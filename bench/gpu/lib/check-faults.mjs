import { spawn } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startCluster } from '../../api/lib/cluster.mjs'
import { demo, demoClip, open, readWav, transcribe } from './check-answers.mjs'

const program = fileURLToPath(new URL('../../../packages/asr-instance/bin/asr-instance.js', import.meta.url))
/** The exit code that says that the device is of no use. */
const deviceExit = 76
const requests = 12
/** Enough for the model and one clip but not for eight, where a step makes keys and values anew and where they have pages. */
const tightBytes = { none: 65e6, fp16: 45e6 }

/** A device with too little memory: at load, and for a batch. */
export async function checkMemory({ scratch, report }) {
  const limit = join(faultsOf(process.env), 'memory')
  writeFileSync(limit, String(8e6))
  const { code, stderr } = await loadInstance(scratch)
  rmSync(limit)
  const says = /cannot be used: no memory is left|does not fit/.exec(stderr)?.[0]
  report(code === deviceExit && says !== undefined, `8 MB at load: exit code ${code}, “${says}”`)

  for (const [quantization, bytes] of Object.entries(tightBytes)) {
    await checkBatch({ scratch, report, limit, quantization, bytes })
  }
}

async function checkBatch({ scratch, report, limit, quantization, bytes }) {
  const clips = Array.from({ length: 8 }, (_, index) => readWav(demoClip(index)))
  const expected = await textsOf(clips, scratch)
  const small = await open(demo, scratch, 'webgpu', quantization)
  await transcribe(small, clips[0])
  writeFileSync(limit, String(bytes))
  const texts = await Promise.all(
    clips.map((clip) =>
      transcribe(small, clip).then(
        ({ text }) => text,
        (error) => String(error.cause ?? error),
      ),
    ),
  )
  rmSync(limit)
  await small.close()
  const right = expected.filter((text, index) => text === texts[index]).length
  const what = `${bytes / 1e6} MB for a batch of ${clips.length} in ${quantization}`
  report(right === clips.length, `${what}: ${right} of ${clips.length} right`)
}

/** Two instances with a device each; one is lost under load. */
export async function checkLost({ scratch, report }) {
  const devices = ['first', 'second'].map((name) => {
    const faults = join(scratch, name)
    mkdirSync(faults, { recursive: true })
    return { ...driverOf(process.env), ASR_VULKAN_FAULTS: faults }
  })
  const group = (name, env) => ({
    name,
    model: demo,
    instances: 1,
    device: 'webgpu',
    quantization: 'none',
    env: { ...env, XDG_CACHE_HOME: scratch },
  })
  const cluster = await startCluster({ groups: devices.map((env, index) => group(`g${index}`, env)) })
  try {
    await untilStatus(cluster, ({ instances }) => instances.every(({ state }) => state === 'ready'))
    const clips = Array.from({ length: requests }, (_, index) => readWav(demoClip(index)))
    const expected = await textsOf(clips, scratch)
    const lost = join(devices[0].ASR_VULKAN_FAULTS, 'lost')
    const running = Array.from({ length: requests }, (_, index) => ask(cluster, index))
    await untilStatus(cluster, ({ instances }) => instances[0].inFlight > 0)
    writeFileSync(lost, '')
    const answers = await Promise.all(running)
    const right = answers.filter((text, index) => text === expected[index]).length
    report(right === requests, `device lost under load: ${right} of ${requests} requests right`)
    const { instances } = await untilStatus(cluster, (status) => status.instances[0].lastExit !== null)
    const { code, reason } = instances[0].lastExit
    report(
      code === deviceExit && /lost/.test(reason),
      `the instance ends with code ${code}: ${shortened(reason)}`,
    )
    const after = await untilStatus(cluster, (status) => status.instances[0].state === 'ready')
    report(
      after.instances[0].restarts > 0,
      `it is started again and ready (${after.instances[0].restarts} restarts)`,
    )
    const again = await ask(cluster, 0)
    report(again === expected[0], 'and answers as before')
  } finally {
    await cluster.stop()
  }
}

/** A submission that never comes back: the watchdog ends the process. */
export async function checkHung({ scratch, report }) {
  const hung = join(faultsOf(process.env), 'hung')
  const cluster = await startCluster({
    groups: [
      { model: demo, instances: 1, device: 'webgpu', quantization: 'none', env: { XDG_CACHE_HOME: scratch } },
    ],
  })
  try {
    const [expected] = await textsOf([readWav(demoClip(0))], scratch)
    writeFileSync(hung, '')
    const answer = ask(cluster, 0)
    const { instances } = await untilStatus(cluster, (status) => status.instances[0].lastExit !== null, 180)
    rmSync(hung)
    const { signal, reason } = instances[0].lastExit
    report(signal === 'SIGKILL', `hung: ended by ${signal}: ${shortened(reason)}`)
    report((await answer) === expected, 'the request is answered by the next life')
  } finally {
    rmSync(hung, { force: true })
    await cluster.stop()
  }
}

/** What the processor writes. */
async function textsOf(clips, scratch) {
  const engine = await open(demo, scratch, 'cpu', 'none')
  const answers = await Promise.all(clips.map((clip) => transcribe(engine, clip)))
  await engine.close()
  return answers.map(({ text }) => text)
}

const shortened = (text) =>
  text
    .split('\n')[0]
    .replace(/: .*: /, ': … ')
    .slice(0, 120)

function faultsOf(env) {
  const folder = env.ASR_VULKAN_FAULTS
  if (!folder) throw new Error('faults need a software driver: --driver lavapipe or swiftshader')
  return folder
}

function driverOf({ VK_DRIVER_FILES, ASR_VULKAN_DRIVER }) {
  return { VK_DRIVER_FILES, ASR_VULKAN_DRIVER }
}

/** Runs an instance that shall not come up; how it ended. */
function loadInstance(scratch) {
  const args = [program, '--model', demo, '--device', 'webgpu', '--quantization', 'none', '--port', '0']
  const child = spawn(process.execPath, args, {
    env: { ...process.env, XDG_CACHE_HOME: scratch },
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: 60_000,
  })
  let stderr = ''
  child.stderr.on('data', (chunk) => (stderr += chunk))
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, stderr })))
}

async function ask({ url }, index) {
  const form = new FormData()
  form.append('audio', new Blob([readFileSync(demoClip(index))]), 'clip.wav')
  const answer = await fetch(`${url}/asr`, { method: 'POST', body: form })
  return answer.ok ? (await answer.json()).text : `status ${answer.status}: ${await answer.text()}`
}

async function untilStatus(cluster, condition, seconds = 60) {
  const end = performance.now() + 1000 * seconds
  for (;;) {
    const status = await cluster.status()
    if (condition(status)) return status
    await new Promise((resolve) => setTimeout(resolve, 50))
    if (performance.now() > end) throw new Error(`not in ${seconds} s: ${JSON.stringify(status)}`)
  }
}
