import { readFile, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { binOf, repositoryRoot, runProgram, startCluster, type TestCluster } from '../harness/index.js'

const hello = join(repositoryRoot, 'examples/hello.wav')
const clip = (number: string): string => join(repositoryRoot, `models/demo/eval/${number}.wav`)

let cluster: TestCluster

beforeAll(async () => {
  cluster = await startCluster()
})

afterAll(() => cluster[Symbol.asyncDispose]())

describe('transcribe', () => {
  it('prints the text of one file', async () => {
    const { code, stdout, stderr } = await cluster.cli('transcribe', hello, '--language', 'en')
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: 'Welcome to the cluster.\n', stderr: '' })
  })

  it.each([
    ['json', /^\{"text":"Welcome to the cluster\.",.*"language":"english"/],
    ['verbose_json', /"segments":\[\{"id":0,/],
    ['srt', /^1\n00:00:00,000 --> 00:00:01,\d{3}\nWelcome to the cluster\.\n$/],
    ['vtt', /^WEBVTT\n\n00:00:00\.000 --> /],
  ])('as %s, the same with and without a cluster', async (format, shape) => {
    const served = await cluster.cli('transcribe', hello, '--format', format)
    expect(served.code).toBe(0)
    expect(served.stdout).toMatch(shape)
    const local = await cluster.cli('transcribe', hello, '--format', format, '--local')
    expect(local).toEqual(served)
  })

  it('goes on after a bad file, and says which with code and advice', async () => {
    const text = join(repositoryRoot, 'README.md')
    const { code, stdout, stderr } = await cluster.cli(
      'transcribe',
      clip('001'),
      text,
      'gone.wav',
      clip('002'),
    )
    expect(code).toBe(1)
    expect(stdout).toBe(
      `${clip('001')}: Sarah opened his memory.\n${clip('002')}: Thomas lost my empty boy.\n`,
    )
    expect(stderr).toMatch(/README\.md: .*text file.* \(not_audio\)\n {2}Send WAV/)
    expect(stderr).toContain('gone.wav: there is no such file (no_such_file)')
  })

  it('is told that a file is too large without sending it', async () => {
    const large = join(cluster.dir, 'large.wav')
    await writeFile(large, 'RIFF')
    await truncate(large, 3e9)
    const { code, stderr } = await cluster.cli('transcribe', large)
    expect(code).toBe(1)
    expect(stderr).toMatch(/larger than 100 MB\. \(file_too_large\)/)
  })

  it('writes one subtitle file per recording', async () => {
    const { code, stdout } = await cluster.cli(
      'transcribe',
      clip('001'),
      hello,
      '--format',
      'vtt',
      '-o',
      'out',
    )
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'out/001.vtt\nout/hello.vtt\n' })
    expect(await readFile(join(cluster.dir, 'out/hello.vtt'), 'utf8')).toContain('Welcome to the cluster.')
  })

  it('knows wrong usage (2) from a cluster that is not there (1) and a model that is none (78)', async () => {
    for (const args of [
      ['--format', 'mp3', hello],
      ['--format', 'srt', hello, hello],
      ['--url', 'ftp://x', hello],
      ['--local', '--port', '1', hello],
    ]) {
      expect(await cluster.cli('transcribe', ...args), args.join(' ')).toMatchObject({ code: 2, stdout: '' })
    }
    const nobody = await cluster.cli('transcribe', '--url', 'http://127.0.0.1:9', hello)
    expect(nobody).toMatchObject({ code: 1, stdout: '' })
    expect(nobody.stderr).toContain('(unreachable)')
    const noModel = await cluster.cli('transcribe', '--local', '--model', join(repositoryRoot, 'docs'), hello)
    expect(noModel).toMatchObject({ code: 78, stdout: '' })
    expect(noModel.stderr).toContain('config.json')
  })

  it('needs no cluster with --local, and says so when there is none', async () => {
    const env = { XDG_RUNTIME_DIR: cluster.dir }
    const run = (...args: string[]) => runProgram(binOf('asr-cluster'), { args, env, cwd: cluster.dir })
    expect(await run('transcribe', '--local', hello)).toMatchObject({
      code: 0,
      stdout: 'Welcome to the cluster.\n',
    })
    const without = await run('transcribe', hello)
    expect(without).toMatchObject({ code: 1, stdout: '' })
    expect(without.stderr).toContain('asr-cluster up')
  })
})
