// Preloaded into every process of a cluster (NODE_OPTIONS): on SIGWINCH it collects all garbage and writes what is left to
// $HEAP_REPORTS/PID, one line of JSON each time.
const { appendFileSync } = require('node:fs')
const { setFlagsFromString } = require('node:v8')
const { runInNewContext } = require('node:vm')

setFlagsFromString('--expose-gc')
const gc = runInNewContext('gc')
process.on('SIGWINCH', () => {
  // Finalizers free more, and what they free is collected next time.
  gc()
  setImmediate(() => {
    gc()
    setImmediate(() => {
      gc()
      const { heapUsed, external, rss } = process.memoryUsage()
      appendFileSync(
        `${process.env.HEAP_REPORTS}/${process.pid}`,
        `${JSON.stringify({ heapUsed, external, rss })}\n`,
      )
    })
  })
})
