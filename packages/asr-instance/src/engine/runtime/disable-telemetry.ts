/**
 * onnxruntime's build for Linux sends events to its makers at each session, and keeps a database for them in the user's
 * cache folder, unless this variable is set. To be called on the main thread (the environment of a worker thread is a copy
 * that native code does not see) before the first session.
 */
export function disableTelemetry(env: NodeJS.ProcessEnv = process.env): void {
  env['ORT_DISABLE_TELEMETRY'] ??= '1'
}
