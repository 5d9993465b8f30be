import { useEffect } from 'preact/hooks'

/** Runs `task` now and then again `intervalMs` after its end, while the page can be seen. */
export function usePolling(task: () => Promise<void>, intervalMs: number): void {
  useEffect(() => {
    let isOver = false
    let isRunning = false
    let timer = 0
    async function run(): Promise<void> {
      if (isRunning || isOver || document.hidden) return
      isRunning = true
      await task()
      isRunning = false
      if (!isOver) timer = window.setTimeout(() => void run(), intervalMs)
    }
    const onVisible = (): void => {
      window.clearTimeout(timer)
      void run()
    }
    document.addEventListener('visibilitychange', onVisible)
    void run()
    return () => {
      isOver = true
      window.clearTimeout(timer)
      document.removeEventListener('visibilitychange', onVisible)
    }
  }, [])
}
