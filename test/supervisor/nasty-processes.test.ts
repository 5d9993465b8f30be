import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  expectNoneLeft,
  findMarked,
  fixtures,
  isAlive,
  kill,
  startFakeCluster,
  waitFor,
} from '../harness/index.js'
import type { FakeCluster } from '../harness/index.js'

const quick = {
  stopTimeout: '500ms',
  startRetries: 1,
  backoff: { base: '50ms', cap: '100ms' },
} as const

/** For those that are meant to be too late; a busy machine makes others so too. */
const impatient = { startTimeout: '2s' }

/** One instance of ours that behaves well, and one group that does not. */
function withNasty(nasty: object, supervisor: object = {}): Promise<FakeCluster> {
  return startFakeCluster({
    groups: [
      { name: 'good', instances: 1 },
      { name: 'bad', instances: 1, ...nasty },
    ],
    supervisor: { ...quick, ...supervisor },
  })
}

/** The bad one in a state, with the good one untouched by it. */
async function bad(cluster: FakeCluster, state: string) {
  const { instances } = await cluster.statusWhen(
    `bad-0 ${state} and good-0 ready`,
    (status) => status.instances[0]?.state === 'ready' && status.instances[1]?.state === state,
  )
  return instances[1]
}

describe('an instance that', () => {
  it.concurrent('crashes at its start is given up, with its last words', async () => {
    await using cluster = await withNasty({ env: { FAKE_EXIT_CODE: '3' } })
    expect((await bad(cluster, 'failed'))?.lastExit).toMatchObject({
      code: 3,
      reason: 'exited with code 3: the model has no weights',
      stderr: ['bad-0 starts', 'last words on stderr'],
    })
    const starts = cluster.events().filter(({ id, to }) => id === 'bad-0' && to === 'starting')
    expect(starts).toHaveLength(2)
  })

  it.concurrent('has a wrong configuration is not tried again', async () => {
    await using cluster = await withNasty({ env: { FAKE_EXIT_CODE: '78' } })
    expect(await bad(cluster, 'failed')).toMatchObject({ restarts: 0, lastExit: { code: 78 } })
  })

  it.concurrent('is not installed is not tried again', async () => {
    await using cluster = await withNasty({ command: ['no-such-server'] })
    expect((await bad(cluster, 'failed'))?.lastExit?.reason).toBe(
      'cannot run `no-such-server`: no such program',
    )
  })

  it.concurrent('never becomes ready is stopped and given up', async () => {
    await using cluster = await withNasty({ command: ['sleep', '1000'] }, impatient)
    const end = (await bad(cluster, 'failed'))?.lastExit
    expect(end?.reason).toBe('not ready within 2 s: nothing listens on its port')
    await waitFor(() => !findMarked(cluster.program.mark).some(({ command }) => command === 'sleep 1000'), {
      what: 'its process to be gone',
    })
  })

  it.concurrent('loads for longer than the limit, but says so, is waited for', async () => {
    // What a busy machine takes to start it is within the limit, and the limit within what it takes to load.
    await using cluster = await withNasty({ env: { FAKE_LOAD_MS: '11000' } }, { startTimeout: '10s' })
    expect(await bad(cluster, 'ready')).toMatchObject({ restarts: 0 })
  })

  it.concurrent('is not the one that answers on its port is not taken for ready', async () => {
    await using cluster = await withNasty(
      { env: { FAKE_IDENTITY: 'an orphan' } },
      { startTimeout: '8s', startRetries: 0 },
    )
    expect((await bad(cluster, 'failed'))?.lastExit?.reason).toMatch(/somebody else answers on port \d+/)
  })

  it.concurrent('dies soon after each start comes back each time', async () => {
    await using cluster = await withNasty({ env: { FAKE_CRASH_AFTER_MS: '1200' } })
    const { instances } = await cluster.statusWhen(
      'three restarts',
      (status) => (status.instances[1]?.restarts ?? 0) >= 3,
    )
    expect(instances[1]?.lastExit).toMatchObject({ signal: 'SIGABRT', reason: 'killed by SIGABRT' })
  })

  it.concurrent('is stopped with SIGSTOP is replaced', async () => {
    await using cluster = await withNasty({}, { liveness: { interval: '100ms', timeout: '500ms', fall: 2 } })
    const pid = (await bad(cluster, 'ready'))?.pid ?? 0
    kill(pid, 'SIGSTOP')
    const { instances } = await cluster.statusWhen(
      'a new life',
      (status) => status.instances[1]?.restarts === 1 && status.instances[1].state === 'ready',
    )
    expect(instances[1]?.lastExit?.reason).toContain('does not answer any more: no answer within 500 ms')
    expect(isAlive(pid)).toBe(false)
  })

  it.concurrent('uses too much memory is replaced', async () => {
    await using cluster = await withNasty({ env: { FAKE_MEMORY_MB: '150' }, maxMemory: '150MB' })
    await cluster.statusWhen('a new life', (status) => (status.instances[1]?.restarts ?? 0) > 0)
    await cluster.program.printed(/uses \d+ MB of memory, maxMemory is 150 MB/)
  })

  it.concurrent('finds its port taken gets another one, and is told by whom', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => server.once('listening', resolve))
    const { port } = server.address() as AddressInfo
    await using cluster = await withNasty({ basePort: port })
    const ready = await bad(cluster, 'ready')
    expect(ready?.port).toBeGreaterThan(port)
    expect(cluster.program.stdout()).toContain(`port ${port} is held by`)
    expect(cluster.program.stdout()).toContain(`(pid ${process.pid}); using ${ready?.port}`)
    server.close()
  })
})

describe('a wrapper', () => {
  const escape = 'setsid sleep 600 &'
  const server = ['exec', process.execPath, `${fixtures}wrapped-server.js`, '{port}'].join(' ')
  const escaped = (cluster: FakeCluster): number[] =>
    findMarked(cluster.program.mark)
      .filter(({ command }) => command === 'sleep 600')
      .map(({ pid }) => pid)

  it.concurrent('takes with it what left its group and holds its output', async () => {
    await using cluster = await withNasty({ command: ['sh', '-c', `${escape} sleep 0.2; exit 1`] })
    expect(await bad(cluster, 'failed')).toMatchObject({ pid: null })
    expect(escaped(cluster)).toEqual([])
  })

  it.concurrent('leaves nothing when the supervisor is killed, not even what left its group', async () => {
    await using cluster = await withNasty({ command: ['sh', '-c', `${escape} ${server}`] })
    await bad(cluster, 'ready')
    expect(escaped(cluster)).toHaveLength(1)
    kill(cluster.program.pid, 'SIGKILL')
    await expectNoneLeft(cluster.program.mark)
  })

  it.concurrent(
    'leaves an orphan when the guard is killed too, and the next supervisor finds it',
    async () => {
      await using first = await withNasty({ command: ['sh', '-c', `${escape} ${server}`] })
      await bad(first, 'ready')
      const [orphan = 0] = escaped(first)
      const guard = findMarked(first.program.mark).find(({ command }) =>
        command.includes('asr-cluster-guard'),
      )
      kill(guard?.pid ?? 0, 'SIGKILL')
      kill(first.program.pid, 'SIGKILL')
      await waitFor(() => findMarked(first.program.mark).length === 1, { what: 'only the orphan to be left' })
      await using second = await startFakeCluster({ balancer: { port: first.port } })
      await second.program.printed(new RegExp(`killed sleep \\(pid ${orphan}\\), left over`))
      expect(isAlive(orphan)).toBe(false)
    },
  )
})

/** Needs root, and a repository that everybody may read. */
function canRunAsNobody(): boolean {
  const args = [
    '--reuid',
    'nobody',
    '--clear-groups',
    process.execPath,
    '--check',
    `${fixtures}fake-instance.js`,
  ]
  return process.getuid?.() === 0 && spawnSync('setpriv', args).status === 0
}

describe('another user', () => {
  it.runIf(canRunAsNobody()).concurrent(
    'runs the programs, which die with the supervisor all the same',
    async () => {
      await using cluster = await startFakeCluster({
        groups: [{ instances: 1 }],
        supervisor: { ...quick, user: 'nobody' },
      })
      const { balancer, instances } = await cluster.statusWhen(
        'ready',
        (status) => status.instances[0]?.state === 'ready',
      )
      const uidOf = (pid: number | null | undefined): string | undefined =>
        /^Uid:\t(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
      const nobody = /^nobody:[^:]*:(\d+)/m.exec(readFileSync('/etc/passwd', 'utf8'))?.[1]
      expect([balancer.pid, instances[0]?.pid].map(uidOf)).toEqual([nobody, nobody])
      kill(cluster.program.pid, 'SIGKILL')
      await expectNoneLeft(cluster.program.mark)
    },
  )
})

describe('the guard', () => {
  it.concurrent('is started again when it is killed, and still knows its duty', async () => {
    await using cluster = await startFakeCluster({ groups: [{ instances: 1 }], supervisor: quick })
    await cluster.statusWhen('ready', ({ instances }) => instances[0]?.state === 'ready')
    const guard = (): number | undefined =>
      findMarked(cluster.program.mark).find(({ command }) => command.includes('asr-cluster-guard'))?.pid
    const first = guard() ?? 0
    kill(first, 'SIGKILL')
    await waitFor(() => (guard() ?? first) !== first, { what: 'another guard' })
    kill(cluster.program.pid, 'SIGKILL')
    await expectNoneLeft(cluster.program.mark)
  })
})

/** Devices are made by root only. */
/** A container's root may not. */
function mayMount(): boolean {
  const dir = mkdtempSync(join(tmpdir(), 'may-mount-'))
  const { status } = spawnSync('mount', ['-t', 'tmpfs', 'tmpfs', dir])
  if (status === 0) spawnSync('umount', [dir])
  rmSync(dir, { recursive: true })
  return status === 0
}
const canMount = mayMount()

describe('the logs', () => {
  it.concurrent('lose no line and split none, however fast they come', async () => {
    const count = 100_000
    await using cluster = await withNasty(
      { command: [process.execPath, `${fixtures}chatter.js`, String(count)] },
      { logs: { maxBytes: '1MB', backups: 100 }, startRetries: 0, startTimeout: '60s' },
    )
    await bad(cluster, 'failed')
    const dir = join(cluster.dir, 'logs')
    const files = () => readdirSync(dir).filter((name) => name.startsWith('bad-0.log'))
    const numbersIn = () =>
      files()
        .toSorted((a, b) => Number(b.split('.')[2] ?? 0) - Number(a.split('.')[2] ?? 0))
        .flatMap((name) => readFileSync(join(dir, name), 'utf8').trimEnd().split('\n'))
        .map((line) => Number(/ stdout F line (\d+) x*$/.exec(line)?.[1] ?? Number.NaN))
    // The end of a process may be known before its last words are on the disk.
    await waitFor(() => numbersIn().at(-1) === count - 1, { what: 'the last line' })
    expect(files().length).toBeGreaterThan(3)
    const numbers = numbersIn()
    expect(numbers.length).toBe(count)
    expect(numbers.every((number, index) => number === index)).toBe(true)
  })

  it.runIf(canMount).concurrent('may have no room: that is said, and nothing else stops', async () => {
    await using cluster = await startFakeCluster({ groups: [{ instances: 1 }], supervisor: quick })
    await cluster.statusWhen('ready', ({ instances }) => instances[0]?.state === 'ready')
    await cluster.operate('stop', { ids: ['default-0'] })
    // The log of a new instance is a file of a disk of one page, which is full.
    const disk = join(cluster.dir, 'full-disk')
    const log = join(cluster.dir, 'logs/default-1.log')
    mkdirSync(disk)
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4k', 'tmpfs', disk])
    try {
      writeFileSync(join(disk, 'log'), Buffer.alloc(4096, '\n'))
      writeFileSync(log, '')
      execFileSync('mount', ['--bind', join(disk, 'log'), log])
      await cluster.operate('scale', { targets: ['2'] })
      await cluster.statusWhen('the second one', ({ instances }) => instances[1]?.state === 'ready')
      await cluster.program.printed(/default-1\.log: ENOSPC/)
    } finally {
      for (const place of [log, disk]) spawnSync('umount', ['-l', place])
    }
  })
})

describe('GPUs', () => {
  const line = (index: number, errors = 0): string =>
    `${index}, GPU-${index}, Fake, 80000, 100, 10, 40, ${errors}, 00000000:0${index}:00.0\n`

  async function startWithGpus(lines: string, gpus: 'auto' | number[] = 'auto', gpuMemory = 'auto') {
    const dir = mkdtempSync(join(tmpdir(), 'fake-gpus-'))
    const list = join(dir, 'gpus.csv')
    writeFileSync(list, lines)
    const cluster = await startFakeCluster(
      { groups: [{ instances: 2, gpus, gpuMemory }], supervisor: quick },
      { FAKE_GPUS: list, PATH: `${fixtures}bin:${process.env['PATH']}` },
    )
    return {
      cluster,
      setGpus: (text: string) => writeFileSync(list, text),
      async [Symbol.asyncDispose]() {
        await cluster[Symbol.asyncDispose]()
        rmSync(dir, { recursive: true })
      },
    }
  }

  const environmentOf = (pid: number, name: string): string | undefined =>
    new RegExp(`${name}=([^\\0]*)`).exec(readFileSync(`/proc/${pid}/environ`, 'utf8'))?.[1]
  const gpuOf = (pid: number): string | undefined => environmentOf(pid, 'CUDA_VISIBLE_DEVICES')

  it.concurrent('are pinned by UUID, and one that vanishes loses its instances to the others', async () => {
    await using machine = await startWithGpus(line(0) + line(1))
    const { cluster, setGpus } = machine
    const before = await cluster.statusWhen('both', ({ instances }) =>
      instances.every(({ state }) => state === 'ready'),
    )
    expect(before.instances.map(({ gpu }) => gpu)).toEqual(['GPU-0', 'GPU-1'])
    expect(before.instances.map(({ pid }) => gpuOf(pid ?? 0))).toEqual(['GPU-0', 'GPU-1'])
    // The same for Vulkan, which does not know CUDA's variable.
    expect(before.instances.map(({ pid }) => environmentOf(pid ?? 0, 'DRI_PRIME'))).toEqual([
      'pci-0000_00_00_0',
      'pci-0000_01_00_0',
    ])
    setGpus(line(0))
    const after = await cluster.statusWhen('the move', ({ instances }) =>
      instances.every(({ state, gpu }) => state === 'ready' && gpu === 'GPU-0'),
    )
    expect(after.instances[1]?.lastExit?.reason).toContain('GPU GPU-1 has vanished; moves to GPU-0')
  })

  it.concurrent('that report errors lose what is bound to them, until they are well again', async () => {
    await using machine = await startWithGpus(line(0) + line(1), [0, 1])
    const { cluster, setGpus } = machine
    await cluster.statusWhen('both', ({ instances }) => instances.every(({ state }) => state === 'ready'))
    setGpus(line(0) + line(1, 3))
    const { instances } = await cluster.statusWhen(
      'one out',
      (status) => status.instances[1]?.state === 'stopped',
    )
    expect(instances[0]?.state).toBe('ready')
    expect(instances[1]?.lastExit?.reason).toBe('GPU 1 reports 3 uncorrected memory errors')
    setGpus(line(0) + line(1))
    await cluster.statusWhen('both again', (status) =>
      status.instances.every(({ state }) => state === 'ready'),
    )
  })

  it.concurrent('that are full let a start wait, say why, and take it when there is room', async () => {
    const withUsed = (mebibytes: number): string =>
      `0, GPU-0, Fake, 10000, ${mebibytes}, 10, 40, 0, 00000000:01:00.0\n`
    // Room for one of the two, whatever the driver shows as used.
    await using machine = await startWithGpus(withUsed(100), [0], '6GB')
    const { cluster, setGpus } = machine
    const isReady = ({ state }: { state: string }): boolean => state === 'ready'
    const waiting = await cluster.statusWhen('one waits', ({ instances }) =>
      instances.some(({ waitingFor }) => waitingFor !== undefined),
    )
    const [first, second] = waiting.instances.toSorted((a) => (a.waitingFor === undefined ? -1 : 1))
    expect(first?.waitingFor).toBeUndefined()
    expect(second).toMatchObject({
      state: 'starting',
      pid: null,
      restarts: 0,
      waitingFor: 'waits for memory: needs about 6.0 GB of GPU 0, 6.0 GB are for other instances',
    })
    // What somebody else uses counts the same, once ours is gone.
    await cluster.statusWhen('the first', ({ instances }) => instances.some(isReady))
    setGpus(withUsed(9_000))
    await cluster.operate('stop', { ids: [first!.id] })
    await cluster.statusWhen('the other reason', ({ instances }) =>
      instances.some(({ waitingFor }) => waitingFor?.endsWith('9.4 GB of 10.5 GB are used')),
    )
    setGpus(withUsed(100))
    const after = await cluster.statusWhen('the second', ({ instances }) => instances.some(isReady))
    expect(after.instances.find(isReady)).toMatchObject({ id: second!.id, restarts: 0 })
    expect(after.instances.find(isReady)?.waitingFor).toBeUndefined()
    // And one that waits can be stopped.
    expect(JSON.stringify(await cluster.operate('start', { ids: [first!.id] }))).toContain(
      `${first!.id} is starting: waits for memory`,
    )
    await cluster.operate('stop', { ids: [first!.id] })
    const { instances } = await cluster.statusWhen('stopped', (status) =>
      status.instances.some(({ state }) => state === 'stopped'),
    )
    expect(instances.find(({ id }) => id === first!.id)?.waitingFor).toBeUndefined()
  })

  it.concurrent('that hang nvidia-smi are done without', async () => {
    await using cluster = await startFakeCluster(
      { groups: [{ instances: 1 }], supervisor: quick },
      { FAKE_GPUS_HANG: '1', PATH: `${fixtures}bin:${process.env['PATH']}` },
    )
    const { instances } = await cluster.statusWhen(
      'ready',
      (status) => status.instances[0]?.state === 'ready',
    )
    expect(instances[0]?.gpu).toBeNull()
  })
})
