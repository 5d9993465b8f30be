import { AsrError } from '@asr-cluster/protocol'

/** Says what was found in place of the recording, because that is nearly always the mistake. */
export function missingFile(
  accepted: readonly string[],
  fields: ReadonlyMap<string, readonly string[]>,
  otherFiles: readonly string[],
): AsrError {
  const [wanted = 'file'] = accepted
  const asText = accepted.find((name) => fields.has(name))
  return new AsrError('missing_file', `${found(wanted, asText, otherFiles)}`, { param: wanted })
}

function found(wanted: string, asText: string | undefined, otherFiles: readonly string[]): string {
  if (asText !== undefined) {
    return `The field \`${asText}\` is text, not a file (with curl: -F ${asText}=@FILE; other clients: set a file name).`
  }
  if (otherFiles.length > 0) {
    const names = otherFiles.map((name) =>
      name === '' ? 'a file without a name' : `\`${name.slice(0, 100)}\``,
    )
    return `The recording belongs into the field \`${wanted}\`; found ${names.join(', ')}.`
  }
  return `The form has no file in the field \`${wanted}\`.`
}
