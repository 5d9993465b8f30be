/** Whether a client's own id of its request may stand in logs and headers: short and harmless. Balancer and instance agree. */
export function isRequestId(given: unknown): given is string {
  return typeof given === 'string' && /^[\w.:=+/@-]{1,128}$/.test(given)
}
