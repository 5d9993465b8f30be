export interface CurlRequest {
  origin: string
  fileName: string
  language: string
  /** Whether the server wants a key; the key itself is never shown. */
  needsKey: boolean
}

/** The command line that does what the page does. */
export function curlCommand({ origin, fileName, language, needsKey }: CurlRequest): string {
  const parts = ['curl -N']
  if (needsKey) parts.push('-H "Authorization: Bearer $ASR_API_KEY"')
  // curl itself takes `;` and `,` in a file name for more settings unless it stands in double quotes.
  parts.push('-F', quote(`file=@"${fileName.replaceAll(/["\\]/g, '\\$&')}"`))
  if (language !== 'auto') parts.push('-F', quote(`language=${language}`))
  parts.push('-F stream=true', quote(`${origin}/v1/audio/transcriptions`))
  return parts.join(' ')
}

function quote(text: string): string {
  return /^[\w./:=@-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}
