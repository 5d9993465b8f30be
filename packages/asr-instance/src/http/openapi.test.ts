import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { apiDocument, errorTable, withErrorTable } from './api-docs.js'
import { openApiDocument } from './openapi.js'
import { routes } from './routes.js'
import { ask, startTestServer } from './server.fixture.js'

const docs = new URL('../../../../docs/', import.meta.url)
const read = (name: string) => readFileSync(new URL(name, docs), 'utf8')

describe('the OpenAPI document', () => {
  it('describes every route and no other', () => {
    const described = Object.entries(openApiDocument()['paths'] as Record<string, object>).map(
      ([path, methods]) => [path, Object.keys(methods)],
    )
    const served = routes.map(({ path, get, post }) => [
      path.replace(/\*(\w+)/, '{$1}'),
      [...(get ? ['get'] : []), ...(post ? ['post'] : [])],
    ])
    expect(described).toEqual(served)
  })

  it('is served', async () => {
    const { url } = await startTestServer(null)
    expect((await ask(`${url}/openapi.json`)).json).toEqual(JSON.parse(JSON.stringify(openApiDocument())))
  })

  it('names every field of the form with its description', () => {
    const text = JSON.stringify(openApiDocument())
    for (const name of ['response_format', 'timestamp_granularities[]', 'temperature', 'stream']) {
      expect(text).toContain(`"${name}":{`)
    }
  })

  it('has what stands outside the forms and answers: aliases, queries, headers, the error in a stream', () => {
    const event = (type: string) => ({ properties: { type: { const: type } } })
    const recording = { contentMediaType: 'application/octet-stream' }
    expect(openApiDocument()['paths']).toMatchObject({
      '/v1/audio/transcriptions': {
        post: {
          requestBody: {
            content: {
              'multipart/form-data': {
                schema: {
                  properties: { file: recording, audio: recording },
                  oneOf: [{ required: ['file'] }, { required: ['audio'] }],
                },
              },
            },
          },
          responses: {
            200: {
              headers: { 'x-asr-warnings': {} },
              content: {
                'text/event-stream': {
                  schema: { oneOf: ['transcript.text.delta', 'transcript.text.done', 'error'].map(event) },
                },
              },
            },
          },
        },
      },
      '/v1/realtime': { get: { parameters: [{ name: 'intent' }, { name: 'model' }] } },
    })
  })

  it('is the one in docs/ (npm run docs:api writes it)', () => {
    expect(read('openapi.json')).toBe(apiDocument())
  })
})

describe('the documentation', () => {
  it('has the error catalogue as it is (npm run docs:api writes it)', () => {
    const page = read('errors.md')
    expect(page).toContain(errorTable())
    expect(withErrorTable(page)).toBe(page)
  })

  it('mentions every route', () => {
    const page = read('api.md')
    for (const { path } of routes) expect(page).toContain(path.replace(/\/\*model/, ''))
  })
})
