const name = 'asr-cluster-key'

/** The key that the person typed in; it goes when the tab is closed. */
export function storedKey(): string | null {
  return sessionStorage.getItem(name)
}

export function storeKey(key: string): void {
  sessionStorage.setItem(name, key)
}

export function authorization(): Record<string, string> {
  const key = storedKey()
  return key === null ? {} : { authorization: `Bearer ${key}` }
}
