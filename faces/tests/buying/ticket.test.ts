import { expect, test } from 'vitest'

import type { Answer } from '../../core/answers.ts'
import type { Api } from '../../core/api.ts'
import { HttpShop } from '../../core/buying/shop.ts'
import type { Challenge } from '../../core/checks/altcha.ts'
import type { Solved, Solver } from '../../core/checks/solver.ts'
import { Clock } from '../../core/clock.ts'
import { Run, World } from '../twins/world.ts'

const TICKET: Answer<unknown> = { kind: 'good', status: 201, body: { ticket: 't' } }
const LOST: Answer<unknown> = { kind: 'lost' }

function challenge(name: string): Answer<unknown> {
  const problem = { code: 'challenge_required', status: 403, title: '', type: '', challenge: name }
  return { kind: 'problem', status: 403, waitMs: 0, problem: problem as never }
}

/** The shop, with the answers of the service and what the solver makes of each challenge. */
function open(answers: Answer<unknown>[], solve: (challenge: string) => Solved) {
  const sent: (string | null)[] = []
  const api = {
    ask: (_verb: string, _path: string, { body }: { body: { altcha?: string } }) => {
      sent.push(body.altcha ?? null)
      return Promise.resolve(answers.shift() ?? LOST)
    },
  }
  const solver = { solve: (one: Challenge) => Promise.resolve(solve(one as unknown as string)) }
  const run = new Run(new World())
  const clock = new Clock(run, () => Promise.resolve(null))
  const logIn = () => Promise.resolve(false)
  const shop = new HttpShop(api as unknown as Api, clock, run, solver as Solver, logIn)
  return { shop, sent }
}

const solved = (name: string): Solved => ({ kind: 'solved', altcha: `solved ${name}` })

test('a refused solution is followed by the new challenge', async () => {
  const { shop, sent } = open([challenge('a'), challenge('b'), TICKET], solved)
  expect(await shop.ticket('d1')).toBe(TICKET)
  expect(sent).toEqual([null, 'solved a', 'solved b'])
})

test('after a challenge that has ended, a new one is asked for', async () => {
  const { shop, sent } = open([challenge('old'), challenge('b'), TICKET], (name) =>
    name === 'old' ? { kind: 'expired' } : solved(name),
  )
  expect(await shop.ticket('d1')).toBe(TICKET)
  expect(sent).toEqual([null, null, 'solved b'])
})

test('a solution without an answer is sent again: it gives the same ticket', async () => {
  const { shop, sent } = open([challenge('a'), LOST, TICKET], solved)
  expect(await shop.ticket('d1')).toBe(TICKET)
  expect(sent).toEqual([null, 'solved a', 'solved a'])
})

test('it does not go on for ever, and not for a kind that it does not know', async () => {
  const endless = open(Array.from({ length: 20 }, () => challenge('a')), solved)
  expect((await endless.shop.ticket('d1')).kind).toBe('problem')
  expect(endless.sent).toHaveLength(5)
  const strange = open([challenge('a')], () => ({ kind: 'strange' }))
  expect((await strange.shop.ticket('d1')).kind).toBe('problem')
  expect(strange.sent).toEqual([null])
})
