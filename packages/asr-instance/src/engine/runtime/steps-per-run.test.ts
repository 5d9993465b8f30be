import { expect, test } from 'vitest'
import { stepsPerRun } from './steps-per-run.js'

test('as many steps as a fifth of a second holds, and enough to be worth the way', () => {
  expect(stepsPerRun({ stepSeconds: 0.005, longest: 500 })).toBe(40)
  expect(stepsPerRun({ stepSeconds: 0.1, longest: 500 })).toBe(16)
  expect(stepsPerRun({ stepSeconds: 0.0001, longest: 500 })).toBe(64)
  expect(stepsPerRun({ stepSeconds: undefined, longest: 500 })).toBe(16)
})

test('never more than any row may have, and at least one', () => {
  expect(stepsPerRun({ stepSeconds: 0.005, longest: 3 })).toBe(3)
  expect(stepsPerRun({ stepSeconds: 0.005, longest: 0 })).toBe(1)
})
