import { expect, test } from 'vitest'

import { type Challenge, solve } from '../../core/checks/altcha.ts'

// Made by livesale.line.challenges with difficulty 100: tests/faces/test_core.py makes new ones.
const CHALLENGE = JSON.parse(process.env['ALTCHA_CHALLENGE'] ?? 'null') as Challenge | null
const EASY: Challenge = {
  parameters: {
    algorithm: 'PBKDF2/SHA-256',
    cost: 10,
    keyLength: 32,
    keyPrefix: '0',
    nonce: '00112233445566778899aabbccddeeff',
    salt: 'ffeeddccbbaa99887766554433221100',
  },
  signature: 'ab',
}

function work() {
  let pauses = 0
  let wanted = true
  return {
    now: () => performance.now(),
    pause: () => {
      pauses += 1
      return Promise.resolve()
    },
    wanted: () => wanted,
    pauses: () => pauses,
    stop: () => (wanted = false),
  }
}

test('a solution has the challenge, the counter and the key', async () => {
  const text = await solve(EASY, work())
  const found = JSON.parse(atob(text!)) as { challenge: unknown; solution: { derivedKey: string } }
  expect(found.challenge).toEqual(EASY)
  expect(found.solution.derivedKey).toMatch(/^0[0-9a-f]{63}$/)
})

test('it gives up when nobody wants it any more, or when it does not know the kind', async () => {
  const job = work()
  job.stop()
  const hard = { ...EASY, parameters: { ...EASY.parameters, keyPrefix: 'f'.repeat(32) } }
  expect(await solve(hard, job)).toBeNull()
  expect(job.pauses()).toBe(1)
  const strange = { ...EASY, parameters: { ...EASY.parameters, algorithm: 'ARGON2ID' } }
  expect(await solve(strange, work())).toBeNull()
})

test.runIf(CHALLENGE)('a challenge of the service is solved', async () => {
  const began = performance.now()
  const text = await solve(CHALLENGE!, work())
  const { counter } = (JSON.parse(atob(text!)) as { solution: { counter: number } }).solution
  const each = (performance.now() - began) / (counter + 1)
  console.log(JSON.stringify({ altcha: text, counter, each_ms: each }))
})
