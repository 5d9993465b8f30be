import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync, chmodSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { silentWav } from '../http/server.fixture.js'
import { decodeAudio, type DecodeOptions } from './decode.js'
import { findExecutable } from './find-executable.js'
import { Spool } from './spool.js'

const hasFfmpeg = findExecutable('ffmpeg', process.env['PATH']) !== null
// oxlint-disable-next-line no-console -- a skipped test must say why
if (!hasFfmpeg) console.log('ffmpeg is not installed: the tests that need it are skipped')

async function spoolOf(data: Uint8Array, memoryLimitBytes?: number): Promise<Spool> {
  const spool = new Spool(memoryLimitBytes === undefined ? {} : { memoryLimitBytes })
  await spool.write(data)
  onTestFinished(() => spool.close())
  return spool
}

async function decode(data: Uint8Array | Spool, options: Partial<DecodeOptions> = {}) {
  const spool = data instanceof Spool ? data : await spoolOf(data)
  const { container, samples } = await decodeAudio(spool, {
    signal: new AbortController().signal,
    maxDurationSeconds: 3600,
    ...options,
  })
  const pieces: number[] = []
  for await (const piece of samples) pieces.push(...piece)
  return { container, samples: Float32Array.from(pieces) }
}

/** 0.5 s of a 440 Hz tone as 16-bit mono WAV. */
function tone(sampleRate: number): Buffer {
  const wav = silentWav(sampleRate / 2, sampleRate)
  for (let i = 0; i < sampleRate / 2; i++) {
    wav.writeInt16LE(Math.round(16_000 * Math.sin((2 * Math.PI * 440 * i) / sampleRate)), 44 + 2 * i)
  }
  return wav
}

/** Highest normalised correlation with the 440 Hz tone over the shifts that encoders cause. */
function likeness(samples: Float32Array): number {
  let best = 0
  for (let shift = 0; shift < 36; shift++) {
    let product = 0
    let own = 0
    let other = 0
    for (let i = 2000; i < 6000; i++) {
      const a = samples[i] ?? 0
      const b = Math.sin((2 * Math.PI * 440 * (i + shift)) / 16_000)
      product += a * b
      own += a * a
      other += b * b
    }
    best = Math.max(best, product / Math.sqrt(own * other))
  }
  return best
}

describe('decodeAudio of WAV', () => {
  it('is bit-exact for 16-bit mono at 16 kHz', async () => {
    const wav = tone(16_000)
    const { container, samples } = await decode(wav)
    expect(container).toBe('WAV s16 16000 Hz 1 ch')
    const expected = Float32Array.from({ length: 8000 }, (_, i) => wav.readInt16LE(44 + 2 * i) / 32_768)
    expect(samples).toEqual(expected)
  })

  it.each([8000, 22_050, 44_100, 192_000])('resamples %i Hz', async (rate) => {
    const { samples } = await decode(tone(rate))
    expect(samples.length).toBe(Math.round((Math.floor(rate / 2) * 16_000) / rate))
    expect(likeness(samples)).toBeGreaterThan(0.9999)
  })

  it('stays within -1 to 1', async () => {
    const wav = silentWav(1000, 44_100)
    for (let i = 0; i < 1000; i++) wav.writeInt16LE(i % 50 < 25 ? 32_767 : -32_768, 44 + 2 * i)
    const { samples } = await decode(wav)
    expect(samples.reduce((peak, sample) => Math.max(peak, Math.abs(sample)), 0)).toBe(1)
  })

  it.each([1000, 16_000])('lets others have their turn between the blocks of %i Hz', async (rate) => {
    const wav = silentWav(100_000, rate)
    const { samples } = await decodeAudio(await spoolOf(wav), {
      signal: new AbortController().signal,
      maxDurationSeconds: 3600,
    })
    let turns = 0
    const count = () => {
      turns++
      next = setImmediate(count)
    }
    let next = setImmediate(count)
    let blocks = 0
    for await (const block of samples) {
      expect(block.length).toBeLessThanOrEqual(32_768)
      blocks++
    }
    clearImmediate(next)
    expect(blocks).toBeGreaterThan(3)
    expect(turns).toBeGreaterThanOrEqual(blocks - 1)
  })

  it.each([8000, 16_000])('ends soon after the client left, at %i Hz', async (rate) => {
    const client = new AbortController()
    const { samples } = await decodeAudio(await spoolOf(silentWav(1_000_000, rate)), {
      signal: client.signal,
      maxDurationSeconds: 3600,
    })
    let blocks = 0
    const reading = (async () => {
      for await (const _ of samples) if (++blocks === 2) client.abort()
    })()
    await expect(reading).rejects.toMatchObject({ code: 'client_closed' })
    expect(blocks).toBe(2)
  })

  it('does not need ffmpeg', async () => {
    expect((await decode(tone(16_000), { path: '' })).samples.length).toBe(8000)
  })
})

describe('decodeAudio without ffmpeg', () => {
  it('is a 415 that names it', async () => {
    await expect(decode(Buffer.from('OggS'.padEnd(64)), { path: '' })).rejects.toMatchObject({
      code: 'unsupported_media',
      status: 415,
      message: expect.stringContaining('OGG, which this server decodes with ffmpeg'),
    })
  })
})

describe.skipIf(!hasFfmpeg)('decodeAudio with ffmpeg', () => {
  let directory = ''
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'decode-test-'))
    writeFileSync(join(directory, 'tone.wav'), tone(16_000))
  })
  afterAll(() => rmSync(directory, { recursive: true }))

  function encode(name: string, ...args: string[]): Buffer {
    const path = join(directory, name)
    const input = join(directory, 'tone.wav')
    execFileSync('ffmpeg', ['-v', 'error', '-nostdin', '-y', '-i', input, ...args, path], { timeout: 20_000 })
    return readFileSync(path)
  }

  it.each([
    ['a.flac', 'FLAC', []],
    ['a.mp3', 'MP3', []],
    ['plain.mp3', 'MP3', ['-id3v2_version', '0', '-write_xing', '0']],
    ['a.ogg', 'OGG', ['-c:a', 'libvorbis']],
    ['opus.ogg', 'OGG', ['-c:a', 'libopus']],
    ['a.webm', 'WebM/Matroska', ['-c:a', 'libopus']],
    ['a.m4a', 'MP4/M4A', []],
    ['faststart.m4a', 'MP4/M4A', ['-movflags', 'faststart']],
    ['a.aac', 'AAC', []],
    ['a.aiff', 'AIFF', []],
    ['a.au', 'AU', []],
    ['a.caf', 'CAF', []],
    ['alac.caf', 'CAF', ['-c:a', 'alac']],
    ['opus.caf', 'CAF', ['-c:a', 'libopus']],
    ['a.wma', 'WMA', []],
    ['adpcm.wav', 'WAV with codec 0x0002', ['-c:a', 'adpcm_ms']],
    ['video.mp4', 'MP4/M4A', ['-f', 'lavfi', '-i', 'color=size=32x32:duration=0.5', '-shortest']],
    ['video.avi', 'AVI', ['-f', 'lavfi', '-i', 'color=size=32x32:duration=0.5', '-shortest']],
    ['video.ts', 'MPEG-TS', ['-f', 'lavfi', '-i', 'color=size=32x32:duration=0.5', '-shortest']],
  ])('reads %s', async (name, container, args) => {
    const data = encode(name, ...args)
    for (const memoryLimitBytes of [2 ** 20, 0]) {
      const found = await decode(await spoolOf(data, memoryLimitBytes))
      expect(found.container).toBe(container)
      expect(Math.abs(found.samples.length - 8000)).toBeLessThan(2000)
      expect(likeness(found.samples)).toBeGreaterThan(0.99)
    }
  })

  it.each([
    ['mp4', '2', 2],
    ['mkv', '2', 2],
    ['mp4', '40000', 600],
  ])('begins with the silence before late sound in %s, %s s', async (extension, offset, seconds) => {
    const path = join(directory, `late.${extension}`)
    const video = ['-f', 'lavfi', '-i', 'color=size=32x32:duration=3']
    const late = ['-itsoffset', offset, '-i', join(directory, 'tone.wav')]
    const args = ['-v', 'error', '-nostdin', '-y', ...video, ...late, '-map', '0:v', '-map', '1:a', path]
    execFileSync('ffmpeg', args, { timeout: 20_000 })
    const spool = await spoolOf(readFileSync(path))
    const { samples } = await decodeAudio(spool, {
      signal: new AbortController().signal,
      maxDurationSeconds: 3600,
    })
    let read = 0
    let begin: number | undefined
    for await (const piece of samples) {
      const loud = piece.findIndex((sample) => Math.abs(sample) > 0.1)
      if (begin === undefined && loud >= 0) begin = read + loud
      read += piece.length
    }
    expect(Math.abs((begin ?? 0) / 16_000 - seconds)).toBeLessThan(0.1)
    expect(Math.abs(read / 16_000 - seconds - 0.5)).toBeLessThan(0.2)
  })

  /** Three seconds of a tone in a file of its own, its frames as the filter leaves them. */
  function filtered(name: string, filter: string, ...args: string[]): Buffer {
    const path = join(directory, name)
    const source = ['-f', 'lavfi', '-i', 'sine=sample_rate=48000:duration=3', '-af', filter]
    execFileSync('ffmpeg', ['-v', 'error', '-nostdin', '-y', ...source, ...args, path], { timeout: 20_000 })
    return readFileSync(path)
  }

  it.each([
    ['gap.mkv', ['-c:a', 'pcm_s16le']],
    ['gap.ts', ['-c:a', 'mp2']],
    ['gap.mp4', ['-c:a', 'aac']],
  ])('has silence where the sound has a gap in %s', async (name, args) => {
    const { samples } = await decode(filtered(name, String.raw`aselect=not(between(t\,1\,2))`, ...args))
    expect(Math.abs(samples.length - 48_000)).toBeLessThan(2_000)
    const isLoud = (second: number) =>
      samples.subarray(16_000 * second, 16_000 * second + 1_600).some((sample) => Math.abs(sample) > 0.05)
    expect([0.7, 0.85, 1.2, 1.7, 2.2, 2.8].map(isLoud)).toEqual([true, true, false, false, true, true])
  })

  it.each([
    ['are rounded', 'aresample=48000'],
    ['are those of the arrival of packets', String.raw`asetpts=PTS-mod(PTS\,SR)+mod(PTS\,SR)/100`],
    ['drift', 'asetpts=PTS*1.001'],
    ['jump too far', String.raw`asetpts=PTS+gt(T\,1)*4000*SR`],
  ])('is the same to the sample where time stamps %s', async (_, filter) => {
    const plain = await decode(filtered('plain.wav', 'aresample=48000', '-ar', '16000', '-c:a', 'pcm_s16le'))
    const found = await decode(filtered('stamps.mkv', filter, '-ar', '16000', '-c:a', 'pcm_s16le'))
    expect(found.samples).toEqual(plain.samples)
  })

  it('has all sound of two files behind each other, whose time stamps begin anew', async () => {
    const one = filtered('one.ts', 'aresample=48000', '-c:a', 'mp2')
    const both = await decode(Buffer.concat([one, one]))
    expect(both.samples).toHaveLength(2 * (await decode(one)).samples.length)
  })

  it.each([
    ['half.flac', []],
    ['half.mp3', []],
    ['half.webm', ['-c:a', 'libopus']],
    ['half.m4a', ['-movflags', 'faststart']],
    ['half.aiff', []],
  ])('does not take the half of a recording for all of it (%s)', async (name, args) => {
    const data = filtered(name, 'aresample=48000', ...args)
    expect((await decode(data)).samples.length).toBeGreaterThan(47_000)
    const half = decode(data.subarray(0, data.length / 2)).then(({ samples }) => samples.length)
    await expect(half).rejects.toMatchObject({ code: 'audio_truncated', status: 400 })
  })

  it.each([
    ['webm', ['-c:a', 'libopus', '-live', '1']],
    ['mp3', ['-write_xing', '0']],
  ])('takes %s for what is there where its header does not say how much that is', async (name, args) => {
    const data = filtered(`open.${name}`, 'aresample=48000', ...args)
    const { samples } = await decode(data.subarray(0, data.length / 2))
    expect(Math.abs(samples.length - 24_000)).toBeLessThan(4_000)
  })

  it('says so when there is no sound track', async () => {
    const path = join(directory, 'mute.mkv')
    const args = ['-v', 'error', '-nostdin', '-f', 'lavfi', '-i', 'color=size=32x32:duration=0.1', path]
    execFileSync('ffmpeg', args, { timeout: 20_000 })
    await expect(decode(readFileSync(path))).rejects.toMatchObject({
      code: 'audio_invalid',
      message: 'WebM/Matroska: the file has no sound track.',
    })
  })

  it('gives the reason of ffmpeg, and no name of ours, for nonsense behind a good signature', async () => {
    for (const start of ['OggS', 'fLaC', '\0\0\0\x20ftypM4A ', '\x1aE\xdf\xa3']) {
      const error = await decode(Buffer.from(start.padEnd(5000, 'z'), 'latin1')).catch(
        (thrown: Error) => thrown,
      )
      expect(error).toMatchObject({ code: 'audio_invalid', status: 400 })
      expect((error as Error).message).not.toMatch(/pipe|\/dev|\/tmp|0x/)
    }
  })

  it('refuses sound that turns out longer than allowed', async () => {
    await expect(decode(encode('b.flac'), { maxDurationSeconds: 0.2 })).rejects.toMatchObject({
      code: 'audio_too_long',
    })
  })

  it('opens nothing but the upload, whatever a container asks for', async () => {
    const secret = join(directory, 'tone.wav')
    for (const list of [
      `#EXTM3U\n#EXTINF:1,\nfile://${secret}\n`,
      `ffconcat version 1.0\nfile ${secret}\n`,
    ]) {
      await expect(decode(Buffer.from(list))).rejects.toMatchObject({ code: 'not_audio' })
    }
  })
})

describe('the ffmpeg process', () => {
  /** A program under the name of ffmpeg, alone in its PATH. */
  function fakeFfmpeg(script: string): string {
    const directory = mkdtempSync(join(tmpdir(), 'fake-ffmpeg-'))
    onTestFinished(() => rmSync(directory, { recursive: true }))
    writeFileSync(join(directory, 'ffmpeg'), `#!/bin/sh\n${script}\n`)
    chmodSync(join(directory, 'ffmpeg'), 0o755)
    return directory
  }
  // It does not say how long it is.
  const flac = Buffer.from('fLaC'.padEnd(100, '\0'))
  const limits = { stallTimeoutMs: 20_000, cpuSeconds: 20, memoryBytes: 2 ** 31 }

  it('is killed when the client goes away', async () => {
    const controller = new AbortController()
    const path = fakeFfmpeg('printf "\\001\\002"; exec /bin/sleep 60')
    const { samples } = await decodeAudio(await spoolOf(flac), {
      signal: controller.signal,
      maxDurationSeconds: 1,
      path,
    })
    await expect(
      (async () => {
        for await (const piece of samples) {
          expect(piece.length).toBe(1)
          controller.abort()
        }
      })(),
    ).rejects.toMatchObject({ code: 'client_closed' })
  })

  it('is killed when it hangs', async () => {
    const path = fakeFfmpeg('exec /bin/sleep 60')
    await expect(
      decode(flac, { path, ffmpegLimits: { ...limits, stallTimeoutMs: 50 } }),
    ).rejects.toMatchObject({ code: 'audio_invalid', message: expect.stringContaining('no progress') })
  })

  it('does not fail when ffmpeg leaves a part of the file unread', async () => {
    const path = fakeFfmpeg('printf "\\000\\100\\000\\300"')
    const spool = await spoolOf(Buffer.concat([flac, Buffer.alloc(3_000_000)]))
    expect([...(await decode(spool, { path })).samples]).toEqual([0.5, -0.5])
  })

  it('fails when ffmpeg does, even after some sound', async () => {
    const path = fakeFfmpeg('printf "\\000\\100"; echo "[flac @ 0x55] invalid sync code" >&2; exit 1')
    await expect(decode(flac, { path })).rejects.toMatchObject({
      code: 'audio_invalid',
      message: 'FLAC: invalid sync code.',
    })
  })

  it('sees nothing of our environment', async () => {
    process.env['SECRET_FOR_THIS_TEST'] = 'x'
    onTestFinished(() => void delete process.env['SECRET_FOR_THIS_TEST'])
    const path = fakeFfmpeg('[ -z "$SECRET_FOR_THIS_TEST" ] && printf "\\000\\100"')
    expect((await decode(flac, { path })).samples.length).toBe(1)
  })
})
