export function chartDigest(): string
