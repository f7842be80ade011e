import { expect, test } from 'vitest'

import { waitRange } from '../../core/formats.ts'
import { checkPlace } from '../../core/line/check.ts'
import { KnownLines } from '../../core/line/known.ts'
import { likelihood, percent, waitingIn } from '../../core/line/phase.ts'
import { LineTwin } from '../twins/line.ts'
import { Memory, World } from '../twins/world.ts'

test('chances have words and a number that promises nothing', () => {
  const said = [0, 0.004, 0.08, 0.42, 0.7, 1].map((one) => [likelihood(one), percent(one)])
  expect(said).toEqual([
    ['hardly', '<1'],
    ['hardly', '<1'],
    ['unlikely', '8'],
    ['even', '42'],
    ['likely', '70'],
    ['sure', '99'],
  ])
})

test('a wait is a range in one unit', () => {
  expect(waitRange(12_000, 41_000, 'en')).toBe('12–41 s')
  expect(waitRange(130_000, 290_000, 'zh')).toBe('2–5 分钟')
  expect(waitRange(10_000, 150_000, 'en')).toBe('less than 3 min')
  expect(waitRange(10_000, 150_000, 'zh')).toBe('3 分钟以内')
  expect(waitRange(3_700_000, 30_000_000, 'en')).toBe('1–9 h')
  expect(waitRange(0, 0, 'en')).toBe('less than 1 s')
})

test('the commitment from before the opening counts; a place outlives the app', () => {
  const twin = new LineTwin(new World())
  const memory = new Memory()
  const known = new KnownLines(memory, 'ann')
  twin.join('ann')
  const line = twin.show()
  known.see(line)
  known.see({ ...line, commitment: 'other' })
  known.placed(twin.place('ann')!)
  known.used('d1', 5)
  const kept = new KnownLines(memory, 'ann').of('d1')
  expect(kept).toMatchObject({ commitment: line.commitment, index: 0, usedTurn: 5 })
  expect(new KnownLines(memory, 'bob').of('d1')).toEqual({})
  // Another place has other turns
  known.placed({ ...twin.place('ann')!, index: 3 })
  expect(known.of('d1').usedTurn).toBeUndefined()
  // After the opening a commitment proves nothing
  const late = new KnownLines(new Memory(), 'ann')
  twin.open()
  late.see(twin.show())
  expect(late.of('d1')).toEqual({})
})

test('people who wait are neither served nor gone', () => {
  const twin = new LineTwin(new World())
  for (const name of ['a', 'b', 'c', 'd']) twin.join(name)
  expect(waitingIn(twin.show())).toBe(4)
  twin.open()
  twin.serve(3)
  expect(waitingIn(twin.show())).toBe(1)
})

test('the own position is computed on the phone; a lie about it, or another seed, is found', async () => {
  const world = new World()
  const twin = new LineTwin(world)
  for (let number = 0; number < 40; number += 1) twin.join(`b${number}`)
  const commitment = twin.show().commitment
  const api = {
    ask: () => Promise.resolve({ kind: 'good' as const, status: 200, body: twin.show() }),
  }
  const check = (known: object) => checkPlace(api as never, 'd1', known, () => Promise.resolve())
  expect(await check({ index: 7 })).toEqual({ kind: 'early' })
  twin.open()
  const { position } = twin.place('b7')!
  const told = { index: 7, position: position!, commitment }
  const right = { kind: 'checked', faults: [], position, people: 40, isLate: false, isDraw: false }
  expect(await check(told)).toMatchObject(right)
  expect(await check({ ...told, position: position! + 1 })).toMatchObject({ faults: ['position'] })
  expect(await check({ ...told, commitment: 'other' })).toMatchObject({ faults: ['other_commitment'] })
  expect(await check({ index: 41, position: 41 })).toMatchObject({ isLate: true, position: 41 })
})
