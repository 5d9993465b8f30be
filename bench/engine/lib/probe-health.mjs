// Asks an instance for /health twenty times a second, in a thread of its own: what the one that uploads does meanwhile
// is not to count as the instance's time. Answers the times in ms when it is told to stop.
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads'

/** @param {string} url of the instance */
export function probeHealth(url) {
  const worker = new Worker(new URL(import.meta.url), { workerData: url })
  return {
    stop: () =>
      new Promise((resolve, reject) => {
        worker.on('message', resolve)
        worker.on('error', reject)
        worker.postMessage('stop')
      }),
  }
}

if (!isMainThread) {
  const times = []
  let going = true
  parentPort.on('message', () => {
    going = false
  })
  const ask = async () => (await fetch(`${workerData}/health`)).text()
  // This thread's first request loads its HTTP client.
  await ask()
  while (going) {
    const started = performance.now()
    await ask()
    times.push(performance.now() - started)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  parentPort.postMessage(times)
  parentPort.close()
}
