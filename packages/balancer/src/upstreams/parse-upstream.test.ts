import { describe, expect, it } from 'vitest'
import { UsageError } from '../option-errors.js'
import { parseUpstreams } from './parse-upstream.js'

describe('parseUpstreams', () => {
  it('reads everything that can be said of an upstream', () => {
    const text =
      'http://127.0.0.1:7861;weight=3;slots=4;id=a;group=g;models=m1,m2;health=/ok;identity=s=1;native=true'
    expect(parseUpstreams([text])).toEqual([
      {
        kind: 'address',
        idPrefix: 'a-',
        slotsFromHealth: false,
        member: {
          id: 'a',
          group: 'g',
          models: ['m1', 'm2'],
          url: 'http://127.0.0.1:7861',
          weight: 3,
          slots: 4,
          draining: false,
          native: true,
          identity: 's=1',
          healthPath: '/ok',
        },
      },
    ])
  })

  it('needs only a URL, and takes a short weight', () => {
    const [plain, weighted] = parseUpstreams(['http://a:1', 'http://b:2=5'])
    expect(plain).toMatchObject({
      slotsFromHealth: true,
      member: { id: 'upstream-0', weight: 1, url: 'http://a:1' },
    })
    expect(weighted?.member).toMatchObject({ id: 'upstream-1', weight: 5, url: 'http://b:2' })
  })

  it.each([
    ['kubernetes+http://asr', { name: 'asr' }],
    ['kubernetes+http://asr.speech:7861', { name: 'asr', namespace: 'speech', port: 7861 }],
    [
      'kubernetes+http://asr.speech.svc.cluster.local:http=3',
      { name: 'asr', namespace: 'speech', port: 'http' },
    ],
  ])('takes %s for a Service', (text, service) => {
    expect(parseUpstreams([text])[0]).toMatchObject({ kind: 'kubernetes', idPrefix: '', service })
  })

  it.each([
    'nonsense',
    'kubernetes+https://asr.speech',
    'kubernetes+http://asr.speech.elsewhere.org',
    'kubernetes+http://ASR_1',
    'kubernetes+http://asr/path',
    'ftp://a',
    'http://a;wieght=3',
    'http://a;weight=0',
    'http://a;weight=x',
    'http://a;slots=1.5',
    'dns+https://a:1',
    'srv+http://_asr._tcp.a:81',
    'udp+http://a',
    'http://a;health=',
    'http://a;health=//',
    'http://a;health=http://other/x',
    'http://a;health=/\\other/x',
    'http://a;health=/\t/other/x',
  ])('refuses %s', (text) => {
    expect(() => parseUpstreams([text])).toThrow(UsageError)
  })

  it('refuses two of one id', () => {
    expect(() => parseUpstreams(['http://a;id=x', 'http://b;id=x'])).toThrow('given twice')
  })
})
