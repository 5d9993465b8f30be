import { describe, expect, it } from 'vitest'
import { seededRandom } from '../fixtures/random.js'
import { closeFrame, FrameTracker } from './frame-tracker.js'

function frame(length: number, { opcode = 1, masked = false } = {}): Buffer {
  const mask = masked ? 0x80 : 0
  const header =
    length < 126
      ? Buffer.from([0x80 | opcode, mask | length])
      : length < 65_536
        ? Buffer.from([0x80 | opcode, mask | 126, length >> 8, length & 255])
        : Buffer.concat([
            Buffer.from([0x80 | opcode, mask | 127]),
            Buffer.alloc(4),
            Buffer.from([0, length >> 16, (length >> 8) & 255, length & 255]),
          ])
  return Buffer.concat([header, Buffer.alloc(masked ? 4 : 0), Buffer.alloc(length, 0x81)])
}

describe('FrameTracker', () => {
  it.each([0, 1, 125, 126, 65_535, 65_536, 100_000])('knows the end of a frame of %i bytes', (length) => {
    for (const masked of [false, true]) {
      const tracker = new FrameTracker()
      const bytes = frame(length, { masked })
      expect(tracker.pass(bytes.subarray(0, bytes.length - 1))).toBe(-1)
      expect(tracker.atBoundary).toBe(false)
      expect(tracker.pass(bytes.subarray(bytes.length - 1))).toBe(1)
      expect(tracker.atBoundary).toBe(true)
    }
  })

  it('finds the same boundaries however the bytes are cut', () => {
    const lengths = [3, 0, 126, 70_000, 5, 200]
    const bytes = Buffer.concat(lengths.map((length) => frame(length)))
    const ends = lengths.map(
      (_, index) => Buffer.concat(lengths.slice(0, index + 1).map((length) => frame(length))).length,
    )
    for (let seed = 0; seed < 20; seed += 1) {
      const random = seededRandom(seed)
      const tracker = new FrameTracker()
      for (let start = 0; start < bytes.length;) {
        const chunk = bytes.subarray(start, start + 1 + Math.floor(random() * 5_000))
        const end = ends.find((each) => each > start && each <= start + chunk.length)
        expect(tracker.pass(chunk)).toBe(end === undefined ? -1 : end - start)
        start += chunk.length
        expect(tracker.atBoundary).toBe(ends.includes(start))
      }
    }
  })

  it('sees a close frame go by', () => {
    const tracker = new FrameTracker()
    tracker.pass(frame(4))
    expect(tracker.closed).toBe(false)
    tracker.pass(closeFrame(1000, ''))
    expect([tracker.closed, tracker.atBoundary]).toEqual([true, true])
  })
})

describe('closeFrame', () => {
  it('has code and reason', () => {
    expect([...closeFrame(1012, 'go')]).toEqual([0x88, 4, 0x03, 0xf4, 0x67, 0x6f])
  })
})
