import { expect, test } from 'vitest'

import { LATE_MS } from '../../core/buying/purchase.ts'
import { Engine, refusal } from '../twins/engine.ts'
import { type Fate, SMOOTH } from '../twins/network.ts'
import { World } from '../twins/world.ts'
import { Phone } from './phone.ts'

const LOST_ANSWER: Fate = { ...SMOOTH, backMs: null }
const LOST_REQUEST: Fate = { ...SMOOTH, thereMs: null }

function open(stock: number, fates: Fate[] = [], options = {}) {
  const world = new World()
  const engine = new Engine(stock, 1, () => world.now)
  return { world, engine, phone: new Phone(world, engine, fates, options) }
}

test('twenty taps are one attempt and one reservation', async () => {
  const { world, engine, phone } = open(5)
  const taken = Array.from({ length: 20 }, () => phone.purchase.tap(1))
  await world.run(1_000)
  expect(taken.filter(Boolean)).toHaveLength(1)
  expect([engine.attempts, engine.reservations.length]).toEqual([1, 1])
  expect(phone.states.map(({ step }) => step)).toEqual(['sending', 'held'])
})

test('a lost answer is asked for with the same key, and says confirming meanwhile', async () => {
  const { world, engine, phone } = open(1, [LOST_ANSWER])
  phone.purchase.tap(1)
  await world.run(30_000)
  expect(phone.states.map(({ step }) => step)).toEqual(['sending', 'confirming', 'held'])
  expect(new Set(phone.network.sent.map(({ key }) => key)).size).toBe(1)
  expect(engine.reservations).toHaveLength(1)
})

test('a killed app finds its reservation after the start', async () => {
  const { world, engine, phone } = open(1, [LOST_ANSWER])
  phone.purchase.tap(1)
  await world.run(50)
  phone.kill()
  expect(phone.state.step).toBe('confirming')
  await world.run(5_000)
  expect(phone.state).toMatchObject({ step: 'held' })
  expect(engine.reservations).toHaveLength(1)
  // And once more, now that the reservation is known
  phone.kill()
  await world.run(1_000)
  expect(phone.state).toMatchObject({ step: 'held', reservation: { reservation_id: 'r1' } })
})

test('an attempt of which nobody saw the end is only looked up after ten minutes', async () => {
  const { world, engine, phone } = open(1, [LOST_REQUEST])
  phone.purchase.tap(1)
  await world.run(50)
  world.wallOffset += 700_000
  phone.kill()
  await world.run(60_000)
  expect(engine.attempts).toBe(0)
  expect(phone.state.step).toBe('idle')
})

test('sold out after a lost attempt is only said when that attempt cannot arrive any more', async () => {
  // Given one unit that another buyer has, and an attempt that is late on its way
  const { world, engine, phone } = open(0, [{ ...LOST_ANSWER, thereMs: 14_000 }])
  phone.purchase.tap(1)
  // When the repeat is refused, and a unit returns before the late attempt arrives
  await world.run(12_000)
  expect(phone.state.step).toBe('confirming')
  engine.stock = 1
  await world.run(2 * LATE_MS)
  // Then the buyer has it, and sold out was never said
  expect(phone.state.step).toBe('held')
  expect(phone.states.map(({ step }) => step)).not.toContain('refused')
})

test('a purchase that went through is not refused because the service is busy afterwards', async () => {
  // Given an attempt that was carried out, whose answer is lost
  const busy: Fate = { ...SMOOTH, trouble: 'slow_down' }
  const { world, phone } = open(1, [LOST_ANSWER, ...Array<Fate>(40).fill(busy)])
  phone.purchase.tap(1)
  // When every repeat is told to slow down, for minutes
  await world.run(120_000)
  // Then it goes on confirming, until it is answered
  expect(phone.state.step).toBe('confirming')
  await world.run(400_000)
  expect(phone.state.step).toBe('held')
})

test('a refusal is final at once if nothing is unknown', async () => {
  const { world, phone } = open(0)
  phone.purchase.tap(1)
  await world.run(100)
  expect(phone.state).toMatchObject({ step: 'refused', problem: { code: 'sold_out' } })
  expect(phone.storage.texts.size).toBe(0)
})

test('a busy service is asked a few times, then the buyer decides', async () => {
  const busy: Fate = { ...SMOOTH, trouble: 'overloaded' }
  const { world, engine, phone } = open(1, Array<Fate>(30).fill(busy))
  phone.purchase.tap(1)
  await world.run(120_000)
  expect(phone.state).toMatchObject({ step: 'refused', problem: { code: 'overloaded' } })
  expect(phone.network.sent.length).toBe(6)
  expect(engine.attempts).toBe(0)
})

test('an expired token is renewed, and the same key goes out again', async () => {
  const { world, phone } = open(1, [{ ...SMOOTH, trouble: 'expired_token' }])
  phone.purchase.tap(1)
  await world.run(1_000)
  expect(phone.state.step).toBe('held')
  expect(phone.network.logins).toBe(1)
  expect(phone.network.sent[0]?.key).toBe(phone.network.sent[1]?.key)
})

test('a drop with tickets gets one before the attempt', async () => {
  const { world, phone } = open(1, [], { needsTicket: true })
  phone.purchase.tap(1)
  await world.run(1_000)
  expect(phone.network.sent).toMatchObject([{ ticket: 't' }])
})

test('a sale that opens in a moment is waited for', async () => {
  const { world, phone } = open(1)
  const reserve = phone.network.reserve.bind(phone.network)
  const opens = world.now + 2_000
  phone.network.reserve = (attempt) =>
    world.now < opens
      ? Promise.resolve(refusal(425, 'not_open', { opens_ms: opens, server_ms: world.now }))
      : reserve(attempt)
  phone.purchase.tap(1)
  await world.run(1_000)
  expect(phone.state).toMatchObject({ step: 'sending', problem: { code: 'not_open' } })
  await world.run(1_300)
  expect(phone.state.step).toBe('held')
})

test('a full storage does not keep anybody from buying', async () => {
  const { world, phone } = open(1)
  phone.storage.isFull = true
  phone.purchase.tap(1)
  await world.run(1_000)
  expect(phone.state.step).toBe('held')
})

test('another buyer on the same phone has other records', async () => {
  const { world, phone } = open(1)
  phone.purchase.tap(1)
  await world.run(1_000)
  expect([...phone.storage.texts.keys()]).toEqual(['purchases:b1'])
})
