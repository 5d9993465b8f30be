/** A wrong command line; the message is for the person who typed it. */
export class UsageError extends Error {
  override name = 'UsageError'
}

/** Values that the schema refuses. */
export class ConfigurationError extends Error {
  override name = 'ConfigurationError'
}
