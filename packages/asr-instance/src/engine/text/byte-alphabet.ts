/**
 * GPT-2's alphabet of byte-level vocabularies: each of the 256 bytes is written as one printable character, itself where
 * it is printable Latin-1, else a character from U+0100 on.
 */
export const byteOfCharacter: ReadonlyMap<string, number> = alphabet()

function alphabet(): Map<string, number> {
  const bytes = new Map<string, number>()
  let next = 0x100
  for (let byte = 0; byte < 0x100; byte++) {
    const isPrintable = (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad)
    bytes.set(String.fromCharCode(isPrintable ? byte : next++), byte)
  }
  return bytes
}
