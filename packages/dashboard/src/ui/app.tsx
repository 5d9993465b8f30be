import { AdminPanel } from './admin-panel.js'
import { ChartsPanel } from './charts-panel.js'
import { ClusterPanel } from './cluster-panel.js'
import { Header } from './header.js'
import { KeyForm } from './key-form.js'
import { LogsPanel } from './logs-panel.js'
import { MachinePanel } from './machine-panel.js'
import { TryPanel } from './try-panel.js'
import { useAdmin } from './use-admin.js'
import { useCluster } from './use-cluster.js'

export function App() {
  const { status, history, metrics, connection } = useCluster()
  const admin = useAdmin()
  return (
    <>
      <Header status={status} connection={connection} />
      <main>
        {connection === 'key-needed' ? (
          <KeyForm />
        ) : (
          <>
            {status ? <ClusterPanel status={status} admin={admin} /> : null}
            <TryPanel />
            <ChartsPanel history={history} />
            <MachinePanel metrics={metrics} />
            {status?.cluster ? <AdminPanel cluster={status.cluster} admin={admin} /> : null}
            {status?.cluster && admin.key !== null ? (
              <LogsPanel adminKey={admin.key} ids={status.cluster.instances.map(({ id }) => id)} />
            ) : null}
          </>
        )}
      </main>
    </>
  )
}
