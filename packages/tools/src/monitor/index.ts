export { monitor } from './monitor.js'
export { render } from './render.js'
export { openTerminal, plainScreen } from './screen.js'
export type { Screen } from './screen.js'
