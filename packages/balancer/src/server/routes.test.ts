import { describe, expect, it } from 'vitest'
import { findRoute, modelInPath, parseTarget } from './routes.js'

describe('parseTarget', () => {
  it.each([
    ['/asr', '/asr', '/asr'],
    ['/asr?a=1?b', '/asr', '/asr?a=1?b'],
    ['http://other.example/asr?x=1', '/asr', '/asr?x=1'],
    ['HTTPS://other.example:1/asr', '/asr', '/asr'],
    ['http://other.example', '/', '/'],
    ['http://other.example?x', '/', '/?x'],
    ['//asr', '//asr', '//asr'],
  ])('%s', (target, pathname, path) => {
    expect(parseTarget(target)).toEqual({ pathname, path })
  })

  it.each(['*', '', 'asr', 'ftp://x/asr', '/asr#x', 'http:/asr'])('refuses %j', (target) => {
    expect(parseTarget(target)).toBeUndefined()
  })
})

describe('findRoute', () => {
  it('knows a closed set, by the exact path', () => {
    expect(findRoute('/asr')?.methods).toEqual(['POST'])
    for (const path of [
      '/asr/',
      '/ASR',
      '/%61sr',
      '//asr',
      '/toString',
      '/__proto__',
      '/metrics.json',
      '/v1/models/',
    ]) {
      expect(findRoute(path)).toBeUndefined()
    }
  })

  it('takes the name of a model from the path, slashes and escapes included', () => {
    expect(findRoute('/v1/models/Qwen/Qwen3-ASR-0.6B')?.kind).toBe('model')
    expect(modelInPath('/v1/models/Qwen/Qwen3-ASR-0.6B')).toBe('Qwen/Qwen3-ASR-0.6B')
    expect(modelInPath('/v1/models/Qwen%2FQwen3-ASR-0.6B')).toBe('Qwen/Qwen3-ASR-0.6B')
    expect(modelInPath('/v1/models/%E0%A4%A')).toBe('%E0%A4%A')
  })
})
