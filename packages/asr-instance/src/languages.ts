import { AsrError } from '@asr-cluster/protocol'

/** The languages of Qwen3-ASR by the names that its prompt uses, with their ISO 639 codes. */
export const languageCodes: Readonly<Record<string, string>> = {
  Chinese: 'zh',
  English: 'en',
  Cantonese: 'yue',
  Arabic: 'ar',
  German: 'de',
  French: 'fr',
  Spanish: 'es',
  Portuguese: 'pt',
  Indonesian: 'id',
  Italian: 'it',
  Korean: 'ko',
  Russian: 'ru',
  Thai: 'th',
  Vietnamese: 'vi',
  Japanese: 'ja',
  Turkish: 'tr',
  Hindi: 'hi',
  Malay: 'ms',
  Dutch: 'nl',
  Swedish: 'sv',
  Danish: 'da',
  Finnish: 'fi',
  Polish: 'pl',
  Czech: 'cs',
  Filipino: 'fil',
  Persian: 'fa',
  Greek: 'el',
  Romanian: 'ro',
  Hungarian: 'hu',
  Macedonian: 'mk',
}

/** Codes that mean one of the languages above but are not its own. */
const otherCodes: Readonly<Record<string, string>> = { cmn: 'Chinese', tl: 'Filipino', in: 'Indonesian' }

const byCode = new Map([
  ...Object.entries(languageCodes).map(([name, code]) => [code, name] as const),
  ...Object.entries(otherCodes),
])
const byLowerCaseName = new Map(Object.keys(languageCodes).map((name) => [name.toLowerCase(), name]))

/**
 * `en`, `en-US`, `english` or `English` → `English`; `auto` or an empty text → null, which lets the model decide.
 * Throws AsrError `invalid_language` with the accepted values for anything else, and for a language that is not
 * among `supported` (if that list has entries).
 */
export function parseLanguage(text: string, supported: readonly string[] = []): string | null {
  const wanted = text.trim().toLowerCase()
  if (wanted === '' || wanted === 'auto') return null
  const primarySubtag = wanted.split(/[-_]/, 1)[0] as string
  const name = byLowerCaseName.get(wanted) ?? byCode.get(primarySubtag)
  if (name !== undefined && (supported.length === 0 || supported.includes(name))) return name
  const accepted = supported.length === 0 ? Object.keys(languageCodes) : supported
  const list = accepted.map((language) => withCode(language)).join(', ')
  throw new AsrError(
    'invalid_language',
    `Unknown language \`${text.slice(0, 40)}\`. Accepted: auto, ${list}.`,
    { param: 'language' },
  )
}

function withCode(name: string): string {
  const code = languageCodes[name]
  return code === undefined ? name : `${name} (${code})`
}
