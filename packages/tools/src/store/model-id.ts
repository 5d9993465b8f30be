/** `ORG/NAME`, with the characters that hubs allow; never a path such as `../x`. */
const pattern = /^[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?\/[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?$/

export function isHubId(text: string): boolean {
  return pattern.test(text) && text.length <= 200 && !text.includes('..') && !text.includes('--')
}

/** `Qwen/Qwen3-ASR-1.7B` → `Qwen--Qwen3-ASR-1.7B`, which no other id gives. */
export function folderOf(id: string): string {
  return id.replace('/', '--')
}
