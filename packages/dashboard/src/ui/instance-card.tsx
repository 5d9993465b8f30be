import { formatDuration } from '../data/format.js'
import type { InstanceView } from '../data/instances.js'
import { InstanceButtons } from './instance-buttons.js'
import type { Admin } from './use-admin.js'

const signs = { good: '●', busy: '◐', bad: '▲', off: '○' } as const
/** More than fit in a row are shown as a figure only. */
const mostDots = 24

export function InstanceCard({ instance, admin }: { instance: InstanceView; admin: Admin }) {
  const { id, state, mood, note, slots, inFlight, facts, restarts, uptimeSeconds } = instance
  return (
    <li class={`card instance ${mood}`} data-instance={id} data-state={state}>
      <div class="head">
        <h3>{id}</h3>
        <span class={`pill ${mood}`}>
          <span aria-hidden="true">{signs[mood]}</span> {state}
        </span>
      </div>
      {note === null ? null : <p class="note">Removed by the balancer: {note}</p>}
      <p class="slots">
        {slots !== null && slots <= mostDots ? (
          <span class="dots" aria-hidden="true">
            {Array.from({ length: slots }, (_, slot) => (
              <i key={slot} class={slot < inFlight ? 'taken' : ''} />
            ))}
          </span>
        ) : null}
        {inFlight} in flight{slots === null ? '' : ` of ${slots} ${slots === 1 ? 'slot' : 'slots'}`}
      </p>
      <dl>
        {facts.map(([label, value]) => (
          <div key={label}>
            <dt>{label}</dt>
            <dd>{value}</dd>
          </div>
        ))}
        {restarts === null ? null : (
          <div>
            <dt>Restarts</dt>
            <dd>{restarts}</dd>
          </div>
        )}
        {uptimeSeconds === null ? null : (
          <div>
            <dt>Up for</dt>
            <dd>{formatDuration(uptimeSeconds)}</dd>
          </div>
        )}
      </dl>
      <InstanceButtons instance={instance} admin={admin} />
      <LastDeath instance={instance} />
    </li>
  )
}

function LastDeath({ instance: { id, lastExit } }: { instance: InstanceView }) {
  if (lastExit === null) return null
  const { at, code, signal, reason, stderr } = lastExit
  const how = signal ?? (code === null ? 'unknown' : `exit ${code}`)
  return (
    <details class="death">
      <summary>
        Last end {new Date(at).toLocaleTimeString()}: {how}
      </summary>
      <p>{reason}</p>
      {stderr.length === 0 ? (
        <p>It wrote nothing to standard error.</p>
      ) : (
        <pre tabIndex={0} aria-label={`Last lines of ${id} on standard error`}>
          {stderr.join('\n')}
        </pre>
      )}
    </details>
  )
}
