/** Relative, inside its folder, and without anything that a file system or a terminal reads in another way. */
export function isSafePath(path: string): boolean {
  // oxlint-disable-next-line no-control-regex
  if (path === '' || path.length > 500 || /[\\\u0000-\u001f\u007f]/.test(path)) return false
  return path.split('/').every((part) => part !== '' && part !== '.' && part !== '..')
}
