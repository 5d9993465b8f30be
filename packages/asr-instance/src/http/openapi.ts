import { errorCatalogue, healthSchema, type ErrorCode } from '@asr-cluster/protocol'
import { z } from 'zod'
import { asrAnswer, deltaEvent, doneEvent, jsonAnswer, verboseAnswer } from './answers.js'
import { asrForm, transcriptionForm } from './form.js'

type Json = Record<string, unknown>

const modelSchema = z.object({
  id: z.string(),
  object: z.literal('model'),
  created: z.int().describe('Unix time in seconds.'),
  owned_by: z.string(),
})
const errorCode = z.enum(Object.keys(errorCatalogue) as [ErrorCode, ...ErrorCode[]])
const flatError = z.object({
  error: z.string().describe('What is wrong.'),
  code: errorCode,
  help: z.string().describe('What to do about it.'),
  status: z.literal('error'),
})
const openAiError = z.object({
  error: z.object({
    message: z.string(),
    type: z.enum(['invalid_request_error', 'server_error']),
    param: z.string().nullable(),
    code: errorCode,
  }),
})
/** What a stream of events ends with when the answer breaks off. */
const errorEvent = openAiError.extend({ type: z.literal('error') })

const uploadErrors = [400, 401, 404, 408, 413, 415, 429, 499, 500, 502, 503, 504]

/** OpenAPI 3.1, made from the schemas by which requests are checked and answers are typed. */
export function openApiDocument(): Json {
  return {
    openapi: '3.1.0',
    info: {
      title: 'asr-cluster',
      version: '1',
      description:
        'Speech recognition. Every response has `x-request-id`; one that an instance gave has `x-asr-instance`.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    paths: {
      '/asr': { post: asrOperation() },
      '/v1/audio/transcriptions': { post: transcriptionOperation() },
      '/v1/audio/translations': {
        post: operation('Not offered: always 501', errors([501], 'OpenAiError')),
      },
      '/v1/models': {
        get: operation('The models served', {
          200: json('Models', z.object({ object: z.literal('list'), data: z.array(modelSchema) })),
          ...errors([401, 503], 'OpenAiError'),
        }),
      },
      '/v1/models/{model}': {
        get: {
          ...operation('One model', {
            200: json('Model', modelSchema),
            ...errors([401, 404, 503], 'OpenAiError'),
          }),
          parameters: [{ name: 'model', in: 'path', required: true, schema: { type: 'string' } }],
        },
      },
      '/v1/realtime': {
        get: {
          ...operation('Realtime transcription over a WebSocket (events of OpenAI, see docs/api.md)', {
            101: { description: 'Switching to WebSocket' },
            ...errors([400, 401, 404, 429, 503], 'OpenAiError'),
          }),
          parameters: [
            { name: 'intent', in: 'query', schema: { const: 'transcription' } },
            {
              name: 'model',
              in: 'query',
              description: 'A name that GET /v1/models lists; may be left out.',
              schema: { type: 'string' },
            },
          ],
        },
      },
      '/health': {
        get: operation('Health of the instance that answers', {
          200: json('Healthy', healthSchema),
          503: json('Starting or draining', healthSchema),
        }),
      },
      '/metrics': {
        get: operation('Metrics in the text format of Prometheus', { 200: text('Metrics', 'text/plain') }),
      },
      '/metrics.json': {
        get: operation('The same metrics as JSON', { 200: json('Metrics', z.array(z.looseObject({}))) }),
      },
      '/openapi.json': { get: operation('This document', { 200: json('OpenAPI 3.1', z.looseObject({})) }) },
    },
    // Keys are wanted only where they are configured.
    security: [{}, { apiKey: [] }],
    components: {
      securitySchemes: { apiKey: { type: 'http', scheme: 'bearer' } },
      schemas: { Error: schemaOf(flatError), OpenAiError: schemaOf(openAiError) },
    },
  }
}

function asrOperation(): Json {
  return {
    ...operation('Transcribe a recording', {
      200: json('The text', asrAnswer),
      ...errors(uploadErrors, 'Error'),
    }),
    requestBody: multipart(asrForm, 'audio', 'file'),
  }
}

function transcriptionOperation(): Json {
  const description = 'By `response_format`; server-sent events with `stream=true`.'
  const content = {
    'application/json': { schema: { oneOf: [schemaOf(jsonAnswer), schemaOf(verboseAnswer)] } },
    'text/plain': { schema: { type: 'string' } },
    'application/x-subrip': { schema: { type: 'string' } },
    'text/vtt': { schema: { type: 'string' } },
    'text/event-stream': { schema: { oneOf: [deltaEvent, doneEvent, errorEvent].map(schemaOf) } },
  }
  const headers = {
    'x-asr-warnings': {
      description: 'Fields of the request that had no effect; only where there are some.',
      schema: { type: 'string' },
    },
  }
  return {
    ...operation('Transcribe a recording (API of OpenAI)', {
      200: { description, headers, content },
      ...errors(uploadErrors, 'OpenAiError'),
    }),
    requestBody: multipart(transcriptionForm, 'file', 'audio'),
  }
}

function operation(summary: string, responses: Json): Json {
  return { summary, responses }
}

function multipart(form: z.ZodObject, fileField: string, alias: string): Json {
  const schema = schemaOf(form)
  const file = {
    type: 'string',
    contentMediaType: 'application/octet-stream',
    description: 'The recording. Its format is found by its bytes; name and type are not looked at.',
  }
  return {
    required: true,
    content: {
      'multipart/form-data': {
        schema: {
          ...schema,
          properties: {
            [fileField]: file,
            [alias]: { ...file, description: `The same as \`${fileField}\`, in its place.` },
            ...(schema['properties'] as Json),
          },
          oneOf: [{ required: [fileField] }, { required: [alias] }],
        },
      },
    },
  }
}

function json(description: string, schema: z.ZodType): Json {
  return { description, content: { 'application/json': { schema: schemaOf(schema) } } }
}

function text(description: string, type: string): Json {
  return { description, content: { [type]: { schema: { type: 'string' } } } }
}

/** One response per status, naming the codes of the catalogue that have it. */
function errors(statuses: readonly number[], schema: 'Error' | 'OpenAiError'): Json {
  const content = { 'application/json': { schema: { $ref: `#/components/schemas/${schema}` } } }
  return Object.fromEntries(
    statuses.map((status) => {
      const codes = Object.entries(errorCatalogue).filter(([, entry]) => entry.status === status)
      return [String(status), { description: codes.map(([code]) => `\`${code}\``).join(', '), content }]
    }),
  )
}

function schemaOf(schema: z.ZodType): Json {
  const { $schema: _version, ...rest } = z.toJSONSchema(schema, { io: 'input' }) as Json
  return rest
}
