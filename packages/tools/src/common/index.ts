export { formatBytes, formatDuration, formatPercent, formatSeconds, formatTable } from './format.js'
export { createLiveLine, noLiveLine } from './output.js'
export type { LiveLine, TerminalStream, ToolOutput } from './output.js'
export { describeError, ToolError, ToolUsageError } from './tool-error.js'
