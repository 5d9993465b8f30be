import { useState } from 'preact/hooks'
import { storeKey } from '../api/api-key.js'
import { get, KeyNeededError } from '../api/get.js'

/** Asks for the API key of a cluster that wants one; the page's next poll uses it. */
export function KeyForm() {
  const [key, setKey] = useState('')
  const [isRefused, setRefused] = useState(false)
  async function submit(): Promise<void> {
    setRefused(false)
    storeKey(key)
    try {
      await get('/api/status')
    } catch (error) {
      setRefused(error instanceof KeyNeededError)
    }
  }
  return (
    <form
      class="card key-form"
      onSubmit={(event) => {
        event.preventDefault()
        void submit()
      }}
    >
      <h2>This cluster wants an API key</h2>
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
      {isRefused ? (
        <p class="warning" role="alert">
          This is not one of its keys.
        </p>
      ) : null}
      <button type="submit">Use it</button>
      <p class="muted">It is kept in this tab only.</p>
    </form>
  )
}
