import { describe, expect, it } from 'vitest'
import { sniff } from './sniff.js'

function bytes(text: string, length = 64): Buffer {
  const head = Buffer.alloc(length)
  head.write(text, 'latin1')
  return head
}

describe('sniff', () => {
  it.each([
    ['RIFF\0\0\0\0WAVEfmt ', 'wav', 'WAV'],
    ['RF64\xff\xff\xff\xffWAVEds64', 'wav', 'WAV'],
    ['fLaC', 'media', 'FLAC'],
    ['OggS', 'media', 'OGG'],
    ['\x1aE\xdf\xa3', 'media', 'WebM/Matroska'],
    ['#!AMR-WB\n', 'media', 'AMR'],
    ['FORM\0\0\0\0AIFF', 'media', 'AIFF'],
    ['.snd', 'media', 'AU'],
    ['caff', 'media', 'CAF'],
    ['\0\0\0\x20ftypM4A ', 'media', 'MP4/M4A'],
    ['\0\0\0\x08wide', 'media', 'MP4/M4A'],
    ['RIFF\0\0\0\0AVI LIST', 'media', 'AVI'],
    ['%PDF-1.7', 'other', 'a PDF document'],
    ['\x89PNG\r\n', 'other', 'a PNG image'],
    ['\xff\xd8\xff\xe0', 'other', 'a JPEG image'],
    ['RIFF\0\0\0\0WEBP', 'other', 'a WebP image'],
    ['\0\0\0\x20ftypheic', 'other', 'a HEIF image'],
    ['PK\x03\x04', 'other', 'a ZIP archive (or an office document)'],
    ['\x1f\x8b\x08', 'other', 'gzip data'],
    ['\x01\x02\x03', 'other', 'data of an unknown kind'],
  ])('recognises %j', (text, kind, name) => {
    expect(sniff(bytes(text))).toMatchObject({ kind, name })
  })

  it.each([
    ['<!DOCTYPE html><p>', 'an HTML page'],
    ['  <html lang=en>', 'an HTML page'],
    ['<?xml version="1.0"?>', 'an XML document'],
    ['{"error": 1}', 'JSON text'],
    ['#EXTM3U\n#EXT-X-VERSION:3\nhttp://10.0.0.1/x.ts', 'a playlist'],
    ['hello world\n', 'a text file'],
    ['ID3', 'a text file'],
    ['你好，世界', 'a text file'],
  ])('names the kind of text in %j', (text, name) => {
    expect(sniff(Buffer.from(text))).toEqual({ kind: 'other', name })
  })

  it('does not take the byte order mark of UTF-16 for an MPEG frame', () => {
    expect(sniff(Buffer.from('\ufeffhello hello hello', 'utf16le'))).toEqual({
      kind: 'other',
      name: 'a text file (UTF-16)',
    })
  })

  it('still sees text when the head ends inside a character', () => {
    expect(sniff(Buffer.from('aé'.repeat(40)).subarray(0, 119))).toMatchObject({ name: 'a text file' })
  })

  it('takes two MP3 frames in a row, also behind junk, and not one', () => {
    const frame = Buffer.alloc(417)
    frame.set([0xff, 0xfb, 0x90, 0x00])
    const two = Buffer.concat([frame, frame])
    expect(sniff(two)).toMatchObject({ name: 'MP3', demuxer: 'mp3' })
    expect(sniff(Buffer.concat([Buffer.alloc(10), two]))).toMatchObject({ name: 'MP3' })
    expect(sniff(Buffer.concat([frame, Buffer.alloc(500)]))).toMatchObject({ kind: 'other' })
  })

  it('takes two ADTS frames in a row', () => {
    const frame = Buffer.alloc(32)
    frame.set([0xff, 0xf1, 0x50, 0x80, 0x04, 0x1f, 0xfc])
    expect(sniff(Buffer.concat([frame, frame]))).toMatchObject({ name: 'AAC', demuxer: 'aac' })
  })

  it('gives the length of an ID3 tag, with its footer', () => {
    expect(sniff(bytes('ID3\x04\0\0\0\0\x02\x01'))).toEqual({ kind: 'id3', bytes: 10 + 257 })
    expect(sniff(bytes('ID3\x04\0\x10\0\0\x02\x01'))).toEqual({ kind: 'id3', bytes: 20 + 257 })
  })

  it('survives every prefix of every signature', () => {
    for (const text of [
      'RIFF\0\0\0\0WAVE',
      'ID3\x04\0\0\0\0\0\0',
      '\xff\xfb\x90\0',
      '\xff\xf1\x50\x80\x04',
    ]) {
      for (let length = 0; length <= text.length; length++) {
        expect(sniff(Buffer.from(text, 'latin1').subarray(0, length)).kind).toBeTypeOf('string')
      }
    }
  })
})
