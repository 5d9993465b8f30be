import { createHash } from 'node:crypto'
import { mkdtempSync } from 'node:fs'
import { mkdir, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { commit, fakeHub, hubId, type FakeHub, type FakeHubOptions } from '../fixtures/fake-hub.js'
import { recordingLine, recordingOutput } from '../fixtures/recorder.js'
import { readPullRecord, type PullRecord } from '../store/model-store.js'
import { HubConnection } from './hub-connection.js'
import { pullModel, type PullOptions } from './pull-model.js'
import { createPullProgress } from './pull-progress.js'

const weights = 'model.safetensors'
const wanted = [
  'config.json',
  'generation_config.json',
  'golden.json',
  'merges.txt',
  'model.safetensors',
  'preprocessor_config.json',
  'tokenizer_config.json',
  'vocab.json',
]

interface Setting {
  hub: FakeHub
  dir: string
  waits: number[]
  lines: string[]
  pull: (options?: Partial<PullOptions>, token?: string) => Promise<PullRecord>
}

async function setting(options: FakeHubOptions = {}): Promise<Setting> {
  const hub = await fakeHub(options)
  const root = mkdtempSync(join(tmpdir(), 'asr-pull-'))
  onTestFinished(() => rm(root, { recursive: true }))
  const dir = join(root, 'model')
  const waits: number[] = []
  const output = recordingOutput()
  return {
    hub,
    dir,
    waits,
    lines: output.out,
    async pull(pullOptions = {}, token) {
      const connection = new HubConnection({ endpoint: hub.url, token })
      try {
        return await pullModel(
          { id: hubId, revision: 'main', dir, ...pullOptions },
          {
            hub: connection,
            progress: createPullProgress(output, recordingLine(), () => 0),
            sleep: async (ms) => void waits.push(ms),
            random: () => 1,
            now: () => new Date(0),
          },
        )
      } finally {
        await connection.close()
      }
    },
  }
}

async function expectWhole({ hub, dir }: Setting): Promise<void> {
  expect((await readdir(dir)).sort()).toEqual(['.asr-cluster-pull.json', ...wanted].sort())
  for (const name of wanted)
    expect(hub.files.get(name)?.equals(await readFile(join(dir, name))), name).toBe(true)
}

const asked = (hub: FakeHub, name: string) =>
  hub.requests
    .filter(({ path }) => path.includes('/resolve/') && path.endsWith(`/${name}`))
    .map(({ range }) => range)

describe('pullModel', () => {
  it('fetches what the engine needs, of the commit that was listed, and writes down what it is', async () => {
    const s = await setting()
    const record = await s.pull()
    await expectWhole(s)
    expect(readPullRecord(s.dir)).toEqual(record)
    expect(record).toMatchObject({ model: hubId, revision: 'main', commit })
    const sha256 = createHash('sha256').update(s.hub.files.get(weights)!).digest('hex')
    expect(record.files).toContainEqual({ path: weights, size: s.hub.files.get(weights)!.length, sha256 })
    expect(s.hub.requests.some(({ path }) => /README|\.wav/.test(path))).toBe(false)
  })

  it('needs nothing beside its folder', async () => {
    const s = await setting()
    // Beside a name of this length there is none that is longer.
    const dir = join(s.dir, 'm'.repeat(255))
    await mkdir(dir, { recursive: true })
    await s.pull({ dir })
    await expectWhole({ ...s, dir })
    expect(await readdir(s.dir)).toHaveLength(1)
  })

  it('waits for another pull into the same folder', async () => {
    const s = await setting()
    await Promise.all([s.pull(), s.pull()])
    await expectWhole(s)
    expect(asked(s.hub, weights)).toHaveLength(1)
  })

  it('fetches nothing again', async () => {
    const s = await setting()
    await s.pull()
    s.hub.requests.length = 0
    await s.pull()
    expect(s.hub.requests).toHaveLength(1)
    await expectWhole(s)
  })

  it('goes on where the connection broke', async () => {
    const s = await setting()
    s.hub.faults.set(weights, [{ breakAfter: 400_000 }, { breakAfter: 500_000 }])
    await s.pull()
    await expectWhole(s)
    const [first, second, third] = asked(s.hub, weights)
    expect(first).toBeUndefined()
    expect(second).toMatch(/^bytes=\d{5,6}-$/)
    expect(Number(/\d+/.exec(third!)![0])).toBeGreaterThan(Number(/\d+/.exec(second!)![0]))
    // It made progress each time, so it never waits longer.
    expect(s.waits).toEqual([1000, 1000])
  })

  it('goes on with what an earlier run left', async () => {
    const s = await setting()
    await mkdir(s.dir, { recursive: true })
    await writeFile(join(s.dir, `${weights}.part`), s.hub.files.get(weights)!.subarray(0, 1_000_000))
    await s.pull()
    expect(asked(s.hub, weights)).toEqual(['bytes=1000000-'])
    await expectWhole(s)
  })

  it('starts over when the server ignores the range', async () => {
    const s = await setting()
    s.hub.faults.set(weights, [{ breakAfter: 400_000 }, { ignoreRange: true }])
    await s.pull()
    await expectWhole(s)
    expect(asked(s.hub, weights)).toHaveLength(2)
  })

  it.each([
    ['large files by SHA-256', weights],
    ['small files by git id', 'vocab.json'],
  ])('fetches wrong bytes once more: %s', async (_name, file) => {
    const s = await setting()
    s.hub.faults.set(file, [{ corrupt: true }])
    await s.pull()
    await expectWhole(s)
    expect(asked(s.hub, file)).toEqual([undefined, undefined])
    expect(s.lines.join('\n')).toMatch(/fetching it again from the start/)
  })

  it('stops at bytes that are wrong twice, and leaves no model behind', async () => {
    const s = await setting()
    s.hub.faults.set(weights, [{ corrupt: true }, { corrupt: true }])
    await expect(s.pull()).rejects.toMatchObject({ code: 'checksum' })
    expect(await readdir(s.dir)).not.toContain(weights)
    expect(readPullRecord(s.dir)).toBeNull()
  })

  it('drops a left-over part that is of something else', async () => {
    const s = await setting()
    await mkdir(s.dir, { recursive: true })
    for (const [length, name] of [
      [500_000, weights],
      [99_999, 'merges.txt'],
    ] as const) {
      await writeFile(join(s.dir, `${name}.part`), Buffer.alloc(length, 'x'))
    }
    await s.pull()
    await expectWhole(s)
  })

  it('waits as the hub asks, and longer each time when it does not say', async () => {
    const s = await setting()
    s.hub.faults.set('listing', [{ status: 429, headers: { 'retry-after': '42' } }])
    s.hub.faults.set(weights, [{ status: 503 }, { status: 500 }, { status: 502 }])
    await s.pull()
    await expectWhole(s)
    expect(s.waits).toEqual([42_000, 1000, 2000, 4000])
  })

  it('gives up in the end, and says that it can go on', async () => {
    const s = await setting()
    s.hub.faults.set(
      weights,
      Array.from({ length: 20 }, () => ({ status: 503 })),
    )
    await expect(s.pull()).rejects.toMatchObject({
      code: 'transfer_failed',
      help: expect.stringContaining('goes on where it stopped') as string,
    })
    expect(s.waits).toHaveLength(5)
    s.hub.faults.clear()
    await s.pull()
    await expectWhole(s)
  })

  it('is not kept busy for ever by a page that is not the file', async () => {
    const s = await setting()
    const page = { status: 200, headers: { 'content-length': '5' }, body: 'login' }
    s.hub.faults.set(
      weights,
      Array.from({ length: 20 }, () => page),
    )
    await expect(s.pull()).rejects.toMatchObject({ code: 'transfer_failed' })
  })

  it('works with a hub that tells neither sizes nor checksums', async () => {
    const s = await setting()
    s.hub.listing.hasSizes = false
    s.hub.faults.set(weights, [{ breakAfter: 400_000 }])
    await s.pull()
    await expectWhole(s)
    expect(s.lines).toContainEqual(expect.stringMatching(/model\.safetensors: .*the hub has no checksum/))
  })

  it('changes a folder only when all of the new revision is there', async () => {
    const s = await setting()
    await s.pull()
    const old = await readFile(join(s.dir, 'vocab.json'))
    s.hub.files.set('vocab.json', Buffer.from('{"a":1}'))
    s.hub.files.set('extra.json', Buffer.from('{}'))
    s.hub.listing.names = [...s.hub.listing.names.filter((name) => name !== 'golden.json'), 'extra.json']
    s.hub.files.set(weights, Buffer.concat([s.hub.files.get(weights)!, Buffer.from('tail')]))
    s.hub.faults.set(weights, [{ status: 404 }])
    await expect(s.pull()).rejects.toMatchObject({ code: 'hub_not_found' })
    expect((await readFile(join(s.dir, 'vocab.json'))).equals(old)).toBe(true)
    expect(readPullRecord(s.dir)).not.toBeNull()
    await s.pull()
    expect(await readFile(join(s.dir, 'vocab.json'), 'utf8')).toBe('{"a":1}')
    expect((await readdir(s.dir)).filter((name) => /golden|extra|part/.test(name))).toEqual(['extra.json'])
  })

  it.each(['../victim', 'linked/victim'])(
    'removes nothing outside its folder, whatever a record names that came with it: %s',
    async (path) => {
      const s = await setting()
      const outside = join(s.dir, '..')
      await mkdir(s.dir)
      await writeFile(join(outside, 'victim'), 'theirs')
      await symlink(outside, join(s.dir, 'linked'))
      const file = { path, size: 6, sha256: '0'.repeat(64) }
      const record = { version: 1, model: hubId, revision: 'main', commit: null, pulledAt: '', files: [file] }
      await writeFile(join(s.dir, '.asr-cluster-pull.json'), JSON.stringify(record))
      await s.pull()
      expect(await readFile(join(outside, 'victim'), 'utf8')).toBe('theirs')
      expect(readPullRecord(s.dir)?.files).toHaveLength(wanted.length)
    },
  )

  it('takes no file whose name begins with a dot, such as a record of a pull', async () => {
    const s = await setting()
    for (const name of ['.asr-cluster-pull.json', '.json', '.x.safetensors']) {
      s.hub.files.set(name, Buffer.from('{}'))
      s.hub.listing.names.push(name)
    }
    await s.pull()
    await expectWhole(s)
    expect(s.hub.requests.some(({ path }) => path.includes('/.'))).toBe(false)
  })

  it('takes the shards that the index names', async () => {
    const s = await setting()
    const { files } = s.hub
    files.set('model-1.safetensors', files.get(weights)!)
    const index = { weight_map: { a: 'model-1.safetensors', b: 'model-1.safetensors' } }
    files.set('model.safetensors.index.json', Buffer.from(JSON.stringify(index)))
    s.hub.listing.names = [...files.keys()]
    const record = await s.pull()
    expect(record.files.map(({ path }) => path).filter((path) => path.endsWith('.safetensors'))).toEqual([
      'model-1.safetensors',
    ])
  })
})

describe('the token', () => {
  it('goes to the hub, and not to the host that it redirects to', async () => {
    const content = await fakeHub()
    const s = await setting({ token: 'hf_secret', contentUrl: content.url })
    await s.pull({}, 'hf_secret')
    await expectWhole(s)
    expect(new Set(s.hub.requests.map(({ authorization }) => authorization))).toEqual(
      new Set(['Bearer hf_secret']),
    )
    expect(content.requests.map(({ authorization }) => authorization)).toEqual([undefined])
    expect(s.lines.join('\n')).not.toMatch(/hf_secret|X-Signature/)
  })

  it.each([
    [undefined, /set HF_TOKEN/],
    ['wrong', /the token in HF_TOKEN is not valid/],
  ])('%s: says what to do', async (token, help) => {
    const s = await setting({ token: 'hf_secret' })
    const failure = await s.pull({}, token).catch((error: unknown) => error as Error & { help: string })
    expect(failure).toMatchObject({ code: 'hub_unauthorized', help: expect.stringMatching(help) as string })
    expect((failure as Error).message).toContain('Access to this model is restricted.')
    expect(JSON.stringify(failure) + (failure as Error).message).not.toContain('wrong')
    expect(s.waits).toEqual([])
  })
})

describe('what is refused', () => {
  it.each([
    ['../../evil.json'],
    ['/etc/evil.json'],
    ['a/../../b.json'],
    ['evil\\..\\b.json'],
    ['line\nbreak.json'],
    ['..'],
    [''],
  ])('the file name %j', async (name) => {
    const s = await setting()
    s.hub.listing.names.push(name)
    await expect(s.pull()).rejects.toMatchObject({ code: 'hub_answer' })
    await expect(stat(s.dir)).rejects.toThrow('ENOENT')
  })

  it('an index that names a file elsewhere', async () => {
    const s = await setting()
    const index = { weight_map: { a: '../../../etc/passwd' } }
    s.hub.files.set('model.safetensors.index.json', Buffer.from(JSON.stringify(index)))
    s.hub.listing.names = [...s.hub.files.keys()]
    await expect(s.pull()).rejects.toMatchObject({ code: 'no_checkpoint' })
  })

  it('another architecture, before its weights are fetched', async () => {
    const s = await setting()
    s.hub.files.set('config.json', Buffer.from('{"model_type":"whisper"}'))
    await expect(s.pull()).rejects.toThrow(/model_type "whisper"/)
    expect(asked(s.hub, weights)).toEqual([])
  })

  it('a repository without weights, an unknown model, an unknown revision, a foreign answer', async () => {
    const s = await setting()
    await expect(s.pull({ id: 'Tiny/Nothing' })).rejects.toMatchObject({ code: 'hub_not_found' })
    await expect(s.pull({ revision: 'refs/pr/9' })).rejects.toThrow(/no revision refs\/pr\/9 of model/)
    s.hub.listing.names = s.hub.listing.names.filter((name) => name !== weights)
    await expect(s.pull()).rejects.toThrow(/has no \*\.safetensors/)
    s.hub.faults.set('listing', [{ status: 200, body: '<html>' }])
    await expect(s.pull()).rejects.toThrow(/not that of a Hugging Face hub/)
  })

  it.each(['x', '../y', 'a/b/c', 'a/..', 'a--b/c', 'a/b?x'])('the id %s', async (id) => {
    const s = await setting()
    await expect(s.pull({ id })).rejects.toThrow(/no model of a hub/)
    expect(s.hub.requests).toEqual([])
  })
})
