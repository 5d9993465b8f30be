import {
  deviceChoices,
  parseDurationMs,
  parseSizeBytes,
  quantizations,
  type DeviceChoice,
} from '@asr-cluster/protocol'
import yargs from 'yargs'
import { ConfigurationError } from './configuration-error.js'
import { defaultCacheDir, type CreateEngineOptions } from './engine/create-engine.js'

export interface InstanceOptions {
  modelDir: string
  id: string
  host: string
  port: number
  slots: number | 'auto'
  threads: number | 'auto'
  quantization: CreateEngineOptions['quantization']
  device: DeviceChoice
  cacheDir: string
  maxBodyBytes: number
  maxDurationSeconds: number
  servedModelNames: string[]
  /** Uids of this machine whose connections are answered; null for everybody's. */
  allowUsers: readonly number[] | null
}

/**
 * Reads the command line. Returns null after `--help` or `--version`, whose text went to `print`.
 * Throws ConfigurationError with a sentence for the operator.
 */
export async function parseOptions(
  args: readonly string[],
  print: (text: string) => void,
): Promise<InstanceOptions | null> {
  const parser = yargs()
    .scriptName('asr-instance')
    .usage('$0 --model DIR --port P\n\nLoads one Qwen3-ASR checkpoint and transcribes over HTTP.')
    .options({
      model: { type: 'string', demandOption: true, describe: 'Folder with an official checkpoint' },
      port: { type: 'number', demandOption: true, describe: 'Port to listen on; 0 picks a free one' },
      host: { type: 'string', default: '127.0.0.1', describe: 'Address to listen on' },
      id: { type: 'string', describe: 'Name in headers and metrics  [default: instance-PORT]' },
      slots: { type: 'string', default: 'auto', describe: 'Requests decoded together' },
      threads: { type: 'string', default: 'auto', describe: 'Threads of one matrix product' },
      quantization: {
        choices: ['auto', ...quantizations] as const,
        default: 'auto' as const,
        describe: 'Weights of the decoder',
      },
      'cache-dir': { type: 'string', describe: 'Where compiled models are kept  [default: user cache]' },
      device: { choices: deviceChoices, default: 'auto' as const, describe: 'Where it computes' },
      'max-body-size': { type: 'string', default: '100MB', describe: 'A larger upload is refused with 413' },
      'max-duration': { type: 'string', default: '12h', describe: 'A longer recording is refused with 413' },
      'served-model-name': {
        type: 'string',
        array: true,
        default: [] as string[],
        describe: 'Further names of the model in requests',
      },
      'allow-users': {
        type: 'string',
        describe: 'Uids, with commas between: only these users of this machine are answered (Linux)',
      },
    })
    .strict()
    .version()
    .exitProcess(false)
    .fail((message: string | null, error?: Error) => {
      throw new ConfigurationError(message ?? error?.message ?? 'wrong usage')
    })
  let informational = ''
  const argv = await parser.parseAsync([...args], {}, (_error, _argv, output) => {
    informational = output
  })
  if (informational !== '') {
    print(`${informational}\n`)
    return null
  }
  if (!Number.isInteger(argv.port) || argv.port < 0 || argv.port > 65_535) {
    throw new ConfigurationError('--port: expected a number from 0 to 65535')
  }
  return {
    modelDir: argv.model,
    id: checkedId(argv.id ?? `instance-${argv.port}`),
    host: argv.host,
    port: argv.port,
    slots: countOrAuto('slots', argv.slots),
    threads: countOrAuto('threads', argv.threads),
    quantization: argv.quantization,
    device: argv.device,
    cacheDir: argv['cache-dir'] ?? defaultCacheDir(),
    maxBodyBytes: quantity('max-body-size', argv['max-body-size'], parseSizeBytes),
    maxDurationSeconds: quantity('max-duration', argv['max-duration'], parseDurationMs) / 1000,
    servedModelNames: argv['served-model-name'],
    allowUsers: argv['allow-users'] === undefined ? null : uids(argv['allow-users']),
  }
}

function countOrAuto(option: string, text: string): number | 'auto' {
  if (text === 'auto') return text
  if (/^[1-9]\d{0,3}$/.test(text)) return Number(text)
  throw new ConfigurationError(`--${option}: expected \`auto\` or a number from 1, got \`${text}\``)
}

function uids(text: string): number[] {
  if (/^\d{1,10}(,\d{1,10})*$/.test(text)) return text.split(',').map(Number)
  throw new ConfigurationError(`--allow-users: expected numbers such as \`0,1000\`, got \`${text}\``)
}

function quantity(option: string, text: string, parse: (text: string) => number): number {
  try {
    return parse(text)
  } catch (error) {
    throw new ConfigurationError(`--${option}: ${(error as Error).message}`)
  }
}

/** It becomes a header and a label. */
function checkedId(id: string): string {
  if (/^[\w.:-]{1,64}$/.test(id)) return id
  throw new ConfigurationError('--id: expected up to 64 letters, digits and . _ : -')
}
