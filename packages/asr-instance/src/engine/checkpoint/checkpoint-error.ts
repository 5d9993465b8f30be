import { ConfigurationError } from '../../configuration-error.js'

/** The model folder cannot be used as it is; the message names the file, key or tensor. */
export class CheckpointError extends ConfigurationError {
  override name = 'CheckpointError'
}
