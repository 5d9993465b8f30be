export { formatLogText } from './format-log-text.js'
