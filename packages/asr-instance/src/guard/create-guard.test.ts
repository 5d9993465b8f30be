import { pino } from 'pino'
import { expect, it } from 'vitest'
import { ConfigurationError } from '../configuration-error.js'
import { ConnectionGuard } from './connection-guard.js'
import { createGuard } from './create-guard.js'

const options = { identity: 'i', log: pino({ level: 'silent' }) }

it('is there where users are named, and refuses to promise what the system cannot tell', async () => {
  expect(await createGuard(null, options, () => Promise.reject(new Error('no such table')))).toBeUndefined()
  expect(await createGuard([0], options, () => Promise.resolve(''))).toBeInstanceOf(ConnectionGuard)
  const refused = createGuard([0], options, () => Promise.reject(new Error('no such table')))
  await expect(refused).rejects.toThrow(ConfigurationError)
  await expect(refused).rejects.toThrow('--allow-users: this system does not show')
})
