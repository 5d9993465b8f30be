import { spawn, type ChildProcess } from 'node:child_process'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { AsrError, clientClosed } from '@asr-cluster/protocol'
import { checkSeconds, type Claim } from './claimed-length.js'
import { engineSampleRate } from './engine-sample-rate.js'
import { findExecutable } from './find-executable.js'
import { pcmToMono, wholeFrames } from './pcm.js'
import { sandboxFor } from './sandbox.js'
import type { Spool } from './spool.js'
import { timelineFilter } from './timeline-filter.js'

const stderrLimit = 65_536

export interface FfmpegLimits {
  /** Longest wait for the next piece of sound, while somebody asks for it. */
  stallTimeoutMs: number
  cpuSeconds: number
  memoryBytes: number
}

export const defaultFfmpegLimits: FfmpegLimits = {
  stallTimeoutMs: 30_000,
  cpuSeconds: 600,
  memoryBytes: 2 ** 31,
}

export interface FfmpegInput {
  spool: Spool
  /** What it is called to the client, for example `MP3`. */
  name: string
  demuxer: string
  /** True if ffmpeg must be able to seek: it then gets the spool as a file instead of a pipe. */
  seekable: boolean
  /** What its header says about its length. */
  claim: Claim | undefined
  path: string | undefined
  signal: AbortSignal
  limits?: FfmpegLimits
}

/**
 * Decodes with the ffmpeg found in `path`, in a process of its own with limits on time and memory and, where the kernel
 * allows it, without a network and without files.
 * Throws AsrError `unsupported_media` at once if there is none; while it is read, `audio_invalid` for what cannot
 * be decoded, `audio_truncated` for what is less than its header says, and `client_closed` after `signal`. Leaving the loop early ends the process.
 */
export function decodeWithFfmpeg(input: FfmpegInput): AsyncIterable<Float32Array> {
  const ffmpeg = findExecutable('ffmpeg', input.path)
  if (ffmpeg === null) {
    throw new AsrError(
      'unsupported_media',
      `The file is ${input.name}, which this server decodes with ffmpeg, and ffmpeg is not installed on it.`,
    )
  }
  return run(ffmpeg, input)
}

async function* run(ffmpeg: string, input: FfmpegInput): AsyncGenerator<Float32Array> {
  const limits = input.limits ?? defaultFfmpegLimits
  const { prefix } = await sandboxFor(ffmpeg, input.path)
  const limited = withLimits([ffmpeg, ...ffmpegArguments(input)], input.path, limits)
  const [file, ...args] = [...prefix, ...limited]
  const source = input.seekable ? (await input.spool.file()).fd : 'pipe'
  if (input.signal.aborted) throw clientClosed()
  const child = spawn(file as string, args, {
    stdio: [source, 'pipe', 'pipe'],
    // Nothing of ours, secrets least of all, belongs into a process that parses untrusted files.
    env: { PATH: input.path },
  })
  const ended = endOf(child)
  const kill = () => child.kill('SIGKILL')
  input.signal.addEventListener('abort', kill, { once: true })
  let stalled = false
  const onStall = () => {
    stalled = true
    kill()
  }
  // ffmpeg may stop reading before the end of the file; its exit code says whether that is an error.
  if (child.stdin) pipeline(Readable.from(input.spool.read()), child.stdin).catch(() => {})
  let frames = 0
  try {
    const pieces = withStallTimeout(child.stdout as Readable, limits.stallTimeoutMs, onStall)
    for await (const piece of wholeFrames(pieces, 2)) {
      const samples = pcmToMono(piece, 's16', 1, 2)
      frames += samples.length
      yield samples
    }
    const { code, stderr } = await ended
    if (input.signal.aborted) throw clientClosed()
    if (stalled) throw invalid(input, 'ffmpeg made no progress and was stopped.')
    if (code !== 0 || frames === 0) throw invalid(input, shortReason(stderr))
    // What it says of an MP4 whose index names samples behind the end of the file.
    if (stderr.includes(': partial file'))
      throw new AsrError('audio_truncated', `The ${input.name} file ends before its index says it does.`)
    checkSeconds(input.name, input.claim, frames / engineSampleRate)
  } finally {
    input.signal.removeEventListener('abort', kill)
    kill()
  }
}

/** Never rejects: a program that cannot be started reads like one that failed. */
function endOf(child: ChildProcess): Promise<{ code: number | null; stderr: string }> {
  let stderr = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    if (stderr.length < stderrLimit) stderr += text
  })
  return new Promise((resolve) => {
    child.on('error', (error) => resolve({ code: null, stderr: error.message }))
    child.on('close', (code) => resolve({ code, stderr }))
  })
}

function invalid(input: FfmpegInput, reason: string): AsrError {
  return new AsrError('audio_invalid', `${input.name}: ${reason}`)
}

function ffmpegArguments({ demuxer, seekable }: FfmpegInput): string[] {
  const quiet = ['-hide_banner', '-nostdin', '-v', 'error', '-threads', '1']
  // Only the upload itself can be opened: no network, and no other file from inside a container.
  const source = ['-protocol_whitelist', seekable ? 'file' : 'pipe', '-f', demuxer]
  const address = ['-i', seekable ? '/dev/fd/0' : 'pipe:0']
  const onlySound = ['-vn', '-sn', '-dn', '-map', '0:a:0']
  const output = ['-f', 's16le', '-ac', '1', '-ar', `${engineSampleRate}`, 'pipe:1']
  return [...quiet, ...source, ...address, ...onlySound, '-af', timelineFilter(engineSampleRate), ...output]
}

function withLimits(command: string[], path: string | undefined, limits: FfmpegLimits): string[] {
  const prlimit = findExecutable('prlimit', path)
  if (prlimit === null) return command
  const { memoryBytes, cpuSeconds } = limits
  const closed = ['--core=0', '--fsize=0', '--nofile=64']
  return [prlimit, `--as=${memoryBytes}`, `--cpu=${cpuSeconds}`, ...closed, '--', ...command]
}

/** Counts only the time that the reader waits: a slow reader is back-pressure, not a stall. */
async function* withStallTimeout(
  source: AsyncIterable<Uint8Array>,
  timeoutMs: number,
  onStall: () => void,
): AsyncGenerator<Uint8Array> {
  const iterator = source[Symbol.asyncIterator]()
  try {
    while (true) {
      const timer = setTimeout(onStall, timeoutMs)
      const next = await iterator.next().finally(() => clearTimeout(timer))
      if (next.done === true) return
      yield next.value
    }
  } finally {
    await iterator.return?.()
  }
}

/** The line of ffmpeg's that says most to a client, without names and addresses of ours. */
export function shortReason(stderr: string): string {
  if (/matches no streams/.test(stderr)) return 'the file has no sound track.'
  const lines = stderr
    .split('\n')
    .map((line) => line.replace(/^\[[^\]]*\] /, '').replace(/(pipe:0|\/dev\/fd\/0): ?/g, ''))
    .filter((line) => line.trim() !== '')
  const reason = lines.find((line) => /invalid|not found|error|no such|could not/i.test(line)) ?? lines[0]
  return reason === undefined ? 'the file has no sound in it.' : `${reason.trim().slice(0, 200)}.`
}
