import type { InstanceView } from '../data/instances.js'
import type { Admin } from './use-admin.js'

/** What an administrator can do with one instance in its present state. */
export function InstanceButtons({
  instance: { id, state },
  admin,
}: {
  instance: InstanceView
  admin: Admin
}) {
  if (admin.key === null) return null
  const isBusy = admin.outcome?.state === 'running'
  const isOff = state === 'stopped' || state === 'failed'
  return (
    <div class="buttons">
      {isOff ? (
        <button
          type="button"
          disabled={isBusy}
          aria-label={`Start ${id}`}
          onClick={() => admin.run(`start ${id}`, { operation: 'start', ids: [id] })}
        >
          Start
        </button>
      ) : (
        <>
          <button
            type="button"
            disabled={isBusy}
            aria-label={`Drain ${id}`}
            onClick={() => admin.run(`drain ${id}`, { operation: 'stop', ids: [id] })}
          >
            Drain
          </button>
          <button
            type="button"
            disabled={isBusy}
            aria-label={`Restart ${id}`}
            onClick={() => admin.run(`restart ${id}`, { operation: 'restart', ids: [id], rolling: false })}
          >
            Restart
          </button>
        </>
      )}
    </div>
  )
}
