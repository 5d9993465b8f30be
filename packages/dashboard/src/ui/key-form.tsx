import { useState } from 'preact/hooks'
import { storedKey, storeKey } from '../api/api-key.js'

/** Asks for the API key of a cluster that wants one. */
export function KeyForm() {
  const [key, setKey] = useState('')
  const submit = (event: Event): void => {
    event.preventDefault()
    storeKey(key)
  }
  return (
    <form class="card key-form" onSubmit={submit}>
      <h2>This cluster wants an API key</h2>
      {storedKey() === null ? null : <p role="alert">The key that was given is not one of its keys.</p>}
      <label>
        API key
        <input
          type="password"
          autocomplete="off"
          required
          value={key}
          onInput={(event) => setKey(event.currentTarget.value)}
        />
      </label>
      <button type="submit">Use it</button>
      <p class="muted">It is kept in this tab only.</p>
    </form>
  )
}
