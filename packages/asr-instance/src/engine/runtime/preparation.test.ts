import { expect, test } from 'vitest'
import { countdownModel, piece } from './batch-scheduler.fixture.js'
import { prepareRow } from './preparation.js'

test.each([
  { isAlone: true, runs: [1024, 1024, 452] },
  { isAlone: false, runs: [...Array.from({ length: 13 }, () => 192), 4] },
])('a long prompt is fed in slices, alone: $isAlone', async ({ isAlone, runs }) => {
  const fed: number[] = []
  const model = countdownModel()
  const step = model.decoder.step.bind(model.decoder)
  model.decoder.step = (cache, embeds, tokens, wantLogits) => {
    fed.push(tokens)
    return step(cache, embeds, tokens, wantLogits)
  }
  const request = { ...piece(0, 9), before: Array.from({ length: 2500 }, () => 9) }
  const steps = prepareRow(model, request, () => isAlone)
  let result = await steps.next()
  while (!result.done) result = await steps.next()
  expect(result.value).toMatchObject({ promptTokens: 2500, first: { tokens: [8] } })
  expect(fed).toEqual(runs)
})
