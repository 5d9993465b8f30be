import { expect, onTestFailed, test } from 'vitest'
import { kill, startCluster } from '../harness/index.js'
import { closedLoop, sendClip, spokenClips } from './clients.ts'

/** On a machine so busy that they take longer than 2 s, or no instance would get to its work. */
const answersBetween = 8

test('400 requests of 16 clients, an instance killed every 2 s: every answer right, every instance back', async () => {
  const clips = await spokenClips()
  await using cluster = await startCluster()
  onTestFailed(() => console.log(cluster.program.output()))
  // Pids, because a status may still show the one killed last.
  const killed = new Set<number>()
  let answered = 0
  let answeredAtKill = -answersBetween
  const killing = setInterval(() => {
    if (answered < answeredAtKill + answersBetween) return
    answeredAtKill = answered
    // The one that has lived longest, so that both are hit in turn.
    void cluster.status().then(({ instances }) => {
      const ready = instances.filter(({ state, pid }) => state === 'ready' && pid !== null)
      const victim = ready.sort((a, b) => (b.uptimeSeconds ?? 0) - (a.uptimeSeconds ?? 0))[0]
      if (!victim?.pid) return
      kill(victim.pid, 'SIGKILL')
      killed.add(victim.pid)
    })
  }, 2000)
  const send = (index: number) => sendClip(cluster.url, clips[index % clips.length]!)
  try {
    const answers = await closedLoop(16, 400, async (index) => {
      const answer = await send(index)
      answered++
      return answer
    })
    const wrong = answers.flatMap((answer, index) =>
      answer.status === 200 && answer.text === clips[index % clips.length]!.text
        ? []
        : [{ index, ...answer }],
    )
    expect(wrong).toEqual([])
    expect(answered).toBe(400)
  } finally {
    clearInterval(killing)
  }
  expect(killed.size).toBeGreaterThan(0)
  await cluster.statusWhen(
    'both instances to be back, each death counted',
    ({ instances }) =>
      instances.every(({ state }) => state === 'ready') &&
      instances.reduce((sum, { restarts }) => sum + restarts, 0) === killed.size,
  )
  expect((await send(0)).text).toBe(clips[0]!.text)
})
