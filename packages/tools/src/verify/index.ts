export type { CheckResult } from './check.js'
export type { Target } from './http.js'
export { verify } from './verify.js'
export type { VerifyOptions } from './verify.js'
