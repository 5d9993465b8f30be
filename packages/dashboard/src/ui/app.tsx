import { ChartsPanel } from './charts-panel.js'
import { ClusterPanel } from './cluster-panel.js'
import { Header } from './header.js'
import { KeyForm } from './key-form.js'
import { MachinePanel } from './machine-panel.js'
import { TryPanel } from './try-panel.js'
import { useCluster } from './use-cluster.js'

export function App() {
  const { status, history, samples, connection } = useCluster()
  return (
    <>
      <Header status={status} connection={connection} />
      <main>
        {connection === 'key-needed' ? (
          <KeyForm />
        ) : (
          <>
            {status ? <ClusterPanel status={status} /> : null}
            <TryPanel />
            <ChartsPanel history={history} />
            <MachinePanel samples={samples} />
          </>
        )}
      </main>
    </>
  )
}
