import fc from 'fast-check'
import { expect, test } from 'vitest'

import { Engine } from '../twins/engine.ts'
import type { Fate } from '../twins/network.ts'
import { World } from '../twins/world.ts'
import { Phone } from './phone.ts'

const fates: fc.Arbitrary<Fate> = fc.record({
  thereMs: fc.oneof(fc.integer({ min: 0, max: 14_000 }), fc.constant(20), fc.constant(null)),
  isDoubled: fc.boolean(),
  backMs: fc.oneof(fc.integer({ min: 0, max: 12_000 }), fc.constant(20), fc.constant(null)),
  trouble: fc.oneof(
    { weight: 3, arbitrary: fc.constant('none' as const) },
    {
      weight: 1,
      arbitrary: fc.constantFrom(
        ...(['overloaded', 'outcome_unknown', 'slow_down', 'expired_token'] as const),
      ),
    },
  ),
})

const events = fc.array(
  fc.record({
    at: fc.integer({ min: 0, max: 60_000 }),
    what: fc.constantFrom('tap 1', 'tap 2', 'kill', 'hide', 'show', 'return'),
  }),
  { maxLength: 12 },
)

const plans = fc.record({
  stock: fc.integer({ min: 0, max: 2 }),
  limit: fc.integer({ min: 1, max: 2 }),
  fates: fc.array(fates, { maxLength: 12 }),
  events,
  hasLogin: fc.boolean(),
  needsTicket: fc.boolean(),
})

test('whatever is lost, doubled or late, the phone ends with what the service has', async () => {
  await fc.assert(
    fc.asyncProperty(plans, async (plan) => {
      // Given a phone, a network with faults, and taps, kills and hides at any time
      const world = new World()
      const engine = new Engine(plan.stock, plan.limit, () => world.now)
      const phone = new Phone(world, engine, [...plan.fates], plan)
      world.after(0, () => phone.purchase.tap(1))
      for (const { at, what } of plan.events) {
        world.after(at, () => {
          if (what === 'tap 1') phone.purchase.tap(1)
          else if (what === 'tap 2') phone.purchase.tap(2)
          else if (what === 'kill') phone.kill()
          else if (what === 'hide') phone.hide()
          else if (what === 'show') phone.screen.show()
          else engine.stock += 1
        })
      }

      // When everything has come to rest
      await world.run(400_000)

      // Then there is at most one reservation, and the phone shows it exactly if there is one
      expect(engine.reservations.length).toBeLessThanOrEqual(1)
      const { state } = phone
      const held = engine.active()[0]
      if (held === undefined) expect(['idle', 'refused']).toContain(state.step)
      else expect(state).toMatchObject({ step: 'held', reservation: { reservation_id: held.id } })

      // And on the way it never said held without a hold, and no key went out unsaved
      for (const seen of phone.states) {
        if (seen.step === 'held') expect(engine.find(seen.reservation.reservation_id)).toBeDefined()
      }
      expect(phone.unsaved).toBe(0)
    }),
    { numRuns: Number(process.env['FACES_RUNS'] ?? 1_000) },
  )
})
