import { z } from 'zod'

/**
 * A path, which stays on the host that it is asked of: URLs take a second slash, also as a backslash or behind a tab, for
 * the beginning of another host.
 */
export const healthPathSchema = z
  .string()
  .regex(/^\/(?!\/)[^\s\\]*$/, 'expected a path that begins with one slash, such as /health')
