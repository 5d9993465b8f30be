/** The model folder or an option is wrong, so that a restart cannot help. `message` is for the operator. */
export class ConfigurationError extends Error {
  override name = 'ConfigurationError'
}
