import { useRef, useState } from 'preact/hooks'
import { storedKey } from '../api/api-key.js'
import { curlCommand } from '../data/curl.js'

/** The same from a shell. */
export function CurlLine({ fileName, language }: { fileName: string; language: string }) {
  const [note, setNote] = useState('')
  const code = useRef<HTMLElement>(null)
  const command = curlCommand({
    origin: location.origin,
    fileName,
    language,
    needsKey: storedKey() !== null,
  })
  async function copy(): Promise<void> {
    try {
      await navigator.clipboard.writeText(command)
      setNote('Copied')
    } catch {
      // No clipboard without https: the text is selected, and Ctrl-C does the rest.
      if (code.current) getSelection()?.selectAllChildren(code.current)
      setNote('Selected: press Ctrl-C')
    }
  }
  return (
    <div class="curl">
      <code ref={code} tabIndex={0}>
        {command}
      </code>
      <button type="button" onClick={() => void copy()}>
        Copy as curl
      </button>
      <span role="status">{note}</span>
    </div>
  )
}
