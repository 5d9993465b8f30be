import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { modelRevision } from './model-revision.js'
import type { InstanceSpec } from './plan-instances.js'

it('changes with the files of the model, and not with a pull that finds them in place', () => {
  const model = mkdtempSync(join(tmpdir(), 'revision-'))
  onTestFinished(() => rmSync(model, { recursive: true }))
  const revision = (): string => modelRevision({ model, command: null } as InstanceSpec)
  writeFileSync(join(model, 'model.safetensors'), 'weights')
  const before = revision()
  writeFileSync(join(model, '.pull.lock'), 'holder')
  writeFileSync(join(model, '.asr-cluster-pull.json'), '{}')
  expect(revision()).toBe(before)
  writeFileSync(join(model, 'model.safetensors'), 'other weights')
  expect(revision()).not.toBe(before)
})
