export interface Pod {
  name: string
  ip: string
  ready?: boolean
  serving?: boolean
  terminating?: boolean
}

export interface SliceInput {
  name: string
  service: string
  port: number
  pods: readonly Pod[]
  labels?: Record<string, string>
}

export interface SliceObject {
  apiVersion: 'discovery.k8s.io/v1'
  kind: 'EndpointSlice'
  metadata: {
    name: string
    namespace?: string
    resourceVersion?: string
    labels: Record<string, string>
  }
  addressType: string
  endpoints: unknown[]
  ports: { name: string; port: number; protocol: string }[]
}

/** An EndpointSlice as the controller writes it. */
export function makeSlice({ name, service, port, pods, labels = {} }: SliceInput): SliceObject {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name,
      labels: {
        ...labels,
        'kubernetes.io/service-name': service,
        // Not the controller of the cluster: it would remove a slice whose Service does not exist.
        'endpointslice.kubernetes.io/managed-by': 'asr-cluster-test',
      },
    },
    addressType: 'IPv4',
    endpoints: pods.map(({ name: pod, ip, ready = true, serving = ready, terminating = false }) => ({
      addresses: [ip],
      conditions: { ready, serving, terminating },
      targetRef: { kind: 'Pod', name: pod, namespace: 'default', uid: `uid-of-${pod}` },
    })),
    ports: [{ name: 'http', port, protocol: 'TCP' }],
  }
}
