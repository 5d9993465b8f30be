import type { LiveStatus } from '@asr-cluster/protocol'
import { useState } from 'preact/hooks'
import type { Admin } from './use-admin.js'

type Status = NonNullable<LiveStatus['cluster']>

/** Signing in as an administrator, and what concerns whole groups. */
export function AdminPanel({ cluster, admin }: { cluster: Status; admin: Admin }) {
  return (
    <section aria-labelledby="admin">
      <h2 id="admin">Administration</h2>
      {admin.key === null ? <SignIn admin={admin} /> : <Groups cluster={cluster} admin={admin} />}
    </section>
  )
}

function SignIn({ admin }: { admin: Admin }) {
  const [key, setKey] = useState('')
  const [refusal, setRefusal] = useState('')
  async function submit(): Promise<void> {
    setRefusal('')
    try {
      await admin.signIn(key)
    } catch (error) {
      setRefusal((error as Error).message)
    }
  }
  return (
    <form
      class="card sign-in"
      onSubmit={(event) => {
        event.preventDefault()
        void submit()
      }}
    >
      <label>
        Admin key
        <input
          type="password"
          autocomplete="off"
          required
          value={key}
          onInput={(event) => setKey(event.currentTarget.value)}
        />
      </label>
      <button type="submit">Sign in</button>
      <p class="muted">To scale, drain and restart, and to read the logs. It is kept in this tab only.</p>
      {refusal === '' ? null : (
        <p class="warning" role="alert">
          {refusal}
        </p>
      )}
    </form>
  )
}

function Groups({ cluster, admin }: { cluster: Status; admin: Admin }) {
  const isBusy = admin.outcome?.state === 'running'
  const names = [...new Set(cluster.instances.map(({ group }) => group))]
  return (
    <div class="card admin">
      {names.map((group) => {
        const instances = cluster.instances.filter((instance) => instance.group === group)
        const scale = (count: number) => () =>
          admin.run(`scale ${group} to ${count}`, { operation: 'scale', targets: [`${group}=${count}`] })
        return (
          <div class="buttons" key={group}>
            <b>{group}</b>
            <span>
              {instances.length} {instances.length === 1 ? 'instance' : 'instances'}
            </span>
            <button
              type="button"
              disabled={isBusy || instances.length === 0}
              aria-label={`One instance less in ${group}`}
              onClick={scale(instances.length - 1)}
            >
              −
            </button>
            <button
              type="button"
              disabled={isBusy}
              aria-label={`One instance more in ${group}`}
              onClick={scale(instances.length + 1)}
            >
              +
            </button>
            <button
              type="button"
              disabled={isBusy}
              onClick={() =>
                admin.run(`rolling restart of ${group}`, {
                  operation: 'restart',
                  ids: [group],
                  rolling: true,
                })
              }
            >
              Rolling restart
            </button>
          </div>
        )
      })}
      <div class="buttons">
        <button type="button" onClick={() => admin.signOut()}>
          Sign out
        </button>
      </div>
      <LastOperation admin={admin} />
    </div>
  )
}

const signs = { running: '◐', done: '✓', failed: '▲' } as const

function LastOperation({ admin: { outcome } }: { admin: Admin }) {
  return (
    <div role="status" aria-label="Last operation" data-operation={outcome?.state ?? 'none'}>
      {outcome === null ? null : (
        <>
          <p class={outcome.state === 'failed' ? 'warning' : ''}>
            <span aria-hidden="true">{signs[outcome.state]}</span> {outcome.what}: {outcome.state}
          </p>
          {outcome.lines.length === 0 ? null : <pre>{outcome.lines.join('\n')}</pre>}
        </>
      )}
    </div>
  )
}
