import { expect, test } from 'vitest'

import type { Challenge } from '../../core/checks/altcha.ts'
import { Solver, type StartWorker, type WorkerEvents } from '../../core/checks/solver.ts'
import { Stop } from '../../core/platform.ts'
import { Run, World } from '../twins/world.ts'

const EASY: Challenge = {
  parameters: {
    algorithm: 'PBKDF2/SHA-256',
    cost: 1,
    keyLength: 32,
    keyPrefix: '',
    nonce: '00',
    salt: '00',
  },
}

function ending(atMs: number, keyPrefix = ''): Challenge {
  return { parameters: { ...EASY.parameters, keyPrefix, expiresAt: atMs / 1000 } }
}

function open(start: 'works' | 'dies' | 'is silent' | 'is missing', known = true) {
  const world = new World()
  const run = new Run(world)
  const counted = { started: 0, ended: 0, asked: 0 }
  const startWorker: StartWorker = (events: WorkerEvents) => {
    if (start === 'is missing') return null
    counted.started += 1
    return {
      ask: () => {
        counted.asked += 1
        if (start === 'works') run.after(10, () => events.solved('by the worker'))
        if (start === 'dies') run.after(10, () => events.gone())
      },
      end: () => (counted.ended += 1),
    }
  }
  const solver = new Solver(run, () => (known ? world.now : null), startWorker)
  return { world, solver, counted }
}

test('a worker solves it, and is ended', async () => {
  const { world, solver, counted } = open('works')
  const solved = solver.solve(EASY)
  await world.run(20)
  expect(await solved).toEqual({ kind: 'solved', altcha: 'by the worker' })
  expect(counted).toEqual({ started: 1, ended: 1, asked: 1 })
})

test.each(['dies', 'is missing'] as const)('where a worker %s, the page solves it', async (how) => {
  const { world, solver, counted } = open(how)
  const solved = solver.solve(EASY)
  await world.run(20)
  const found = await solved
  expect(found.kind).toBe('solved')
  expect(counted.ended).toBe(counted.started)
})

test('a challenge that ends before it is solved is given up', async () => {
  const { world, solver, counted } = open('is silent')
  const solved = solver.solve(ending(60_000))
  await world.run(57_999)
  expect(counted.ended).toBe(0)
  await world.run(2)
  expect(await solved).toEqual({ kind: 'expired' })
  expect(counted.ended).toBe(1)
  expect(await solver.solve(ending(60_000))).toEqual({ kind: 'expired' })
  expect(counted.started).toBe(1)
})

test('without the time of the service, a challenge is worth a try', async () => {
  const { world, solver } = open('works', false)
  const solved = solver.solve(ending(-60_000))
  await world.run(20)
  expect((await solved).kind).toBe('solved')
})

test('nobody waits for it any more', async () => {
  const { world, solver, counted } = open('is silent')
  const stop = new Stop()
  const solved = solver.solve(EASY, stop)
  await world.run(10)
  stop.stop()
  expect(await solved).toEqual({ kind: 'stopped' })
  expect(counted.ended).toBe(1)
})

test('a kind that nobody knows', async () => {
  const { solver } = open('is missing')
  const strange = { parameters: { ...EASY.parameters, algorithm: 'ARGON2ID' } }
  expect(await solver.solve(strange)).toEqual({ kind: 'strange' })
})
