import { wordsOf } from '../text/normalise.js'
import { toServerError } from '../client/server-error.js'
import { describeError } from '../common/tool-error.js'
import { check, CheckFailure, expectThat, type CheckResult } from './check.js'
import { get, parseJson, upload, type Target } from './http.js'

/** A recording of which the words are known. */
export interface KnownRecording {
  path: string
  text: string
}

/** The balancer's own routes, a transcription by each API, and what a mistake is answered. */
export async function* checkRequests(target: Target, recording: KnownRecording): AsyncGenerator<CheckResult> {
  yield check('port answers', async () => {
    expectThat((await get(target, '/healthz')).status === 200, 'GET /healthz is not answered with 200')
    return `${target.baseUrl}/healthz`
  })
  yield check('ready for requests', async () => {
    const { status, text } = await get(target, '/readyz')
    expectThat(status === 200, `GET /readyz answers ${status}: ${text.slice(0, 200)}`)
    return `${(parseJson(text) as { instances?: number } | null)?.instances ?? 'some'} instances take requests`
  })
  yield check('models', async () => {
    const { status, text } = await get(target, '/v1/models')
    const { data } = (parseJson(text) ?? {}) as { data?: { id: string }[] }
    expectThat(status === 200 && Array.isArray(data), `GET /v1/models answers ${status} and no list`)
    // A balancer that runs alone is not told what its upstreams serve.
    return data.length === 0 ? 'none has a name here' : data.map(({ id }) => id).join(', ')
  })
  yield check('transcription, OpenAI’s API', () =>
    rightWords(target, '/v1/audio/transcriptions', 'file', recording),
  )
  yield check('transcription, /asr', () => rightWords(target, '/asr', 'audio', recording))
  yield check('mistakes', async () => {
    const answer = await upload(target, '/asr', { path: recording.path, field: 'recording' })
    const { code } = toServerError(answer)
    expectThat(
      answer.status === 400 && code === 'missing_file',
      `a form without a file gets ${answer.status} ${code}`,
    )
    return 'a form without a file gets 400 missing_file'
  })
}

async function rightWords(
  target: Target,
  route: string,
  field: string,
  recording: KnownRecording,
): Promise<string> {
  const started = performance.now()
  const answer = await upload(target, route, { path: recording.path, field })
  const seconds = (performance.now() - started) / 1000
  if (answer.status !== 200) throw new CheckFailure(describeError(toServerError(answer)).join(' '))
  const text = (parseJson(answer.body) as { text?: unknown } | null)?.text
  expectThat(typeof text === 'string', `the answer has no text: ${answer.body.slice(0, 200)}`)
  const isRight = wordsOf(text).join(' ') === wordsOf(recording.text).join(' ')
  expectThat(isRight, `heard “${text}”, expected “${recording.text}”`)
  return `“${text}” in ${seconds.toFixed(2)} s`
}
