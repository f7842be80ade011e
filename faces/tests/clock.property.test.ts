import fc from 'fast-check'
import { expect, test } from 'vitest'

import { Clock, whenDue } from '../core/clock.ts'
import { Run, Screen, World } from './twins/world.ts'

/** The service's clock in this world; a phone whose own time can freeze, and runs a little wrong. */
class Phone {
  frozenMs = 0
  readonly world = new World()
  readonly run = new Run(this.world)
  readonly clock: Clock

  constructor(
    readonly offset: number,
    readonly trips: { there: number; back: number; isLost: boolean }[],
    readonly drift = 0,
  ) {
    const elapsed = (): number => this.world.now * (1 + this.drift) - this.frozenMs
    this.clock = new Clock({ elapsed, wall: elapsed, after: this.run.after.bind(this.run) }, () =>
      this.ask(),
    )
  }

  /** The service's time now. */
  get truth(): number {
    return this.world.now + this.offset
  }

  private ask(): Promise<number | null> {
    const trip = this.trips.shift() ?? { there: 20, back: 20, isLost: false }
    return new Promise((done) => {
      if (trip.isLost) return this.world.after(10_000, () => done(null))
      return this.world.after(trip.there, () => {
        const said = Math.floor(this.truth)
        this.world.after(trip.back, () => done(said))
      })
    })
  }
}

const trips = fc.array(
  fc.record({
    there: fc.nat(2_000),
    back: fc.nat(2_000),
    isLost: fc.boolean(),
  }),
  { maxLength: 12 },
)

test('the true time is always within the error that is told', async () => {
  await fc.assert(
    fc.asyncProperty(
      trips,
      fc.integer({ min: -3 * 3_600_000, max: 2 ** 41 }),
      fc.double({ min: -100e-6, max: 100e-6, noNaN: true }),
      fc.array(fc.nat(200_000), { maxLength: 4 }),
      async (plan, offset, drift, waits) => {
        const phone = new Phone(offset, [...plan], drift)
        for (const wait of [0, ...waits]) {
          await phone.world.run(wait)
          void phone.clock.sync()
          await phone.world.run(40_000)
          const reading = phone.clock.read()
          if (reading === null) continue
          expect(Math.abs(reading.ms - phone.truth)).toBeLessThanOrEqual(reading.errorMs + 0.001)
        }
      },
    ),
    { numRuns: Number(process.env['FACES_RUNS'] ?? 1_000) },
  )
})

test('the best of three round trips counts', async () => {
  const trip = (there: number, back: number) => ({ there, back, isLost: false })
  const phone = new Phone(1e12, [trip(900, 100), trip(10, 10), trip(500, 1_500)])
  void phone.clock.sync()
  await phone.world.run(5_000)
  expect(phone.clock.read()!.errorMs).toBeLessThan(15)
})

test('one sync runs at a time, and without an answer nothing is known', async () => {
  const lost = { there: 0, back: 0, isLost: true }
  const phone = new Phone(0, [lost, lost, lost])
  const first = phone.clock.sync()
  expect(phone.clock.sync()).toBe(first)
  await phone.world.run(40_000)
  expect([await first, phone.clock.read(), phone.clock.until(5)]).toEqual([null, null, null])
})

test('after a frozen minute, and three hours wrong, it opens within 200 ms', async () => {
  // Given a phone three hours wrong, that counts down to an opening
  const phone = new Phone(3 * 3_600_000, [])
  const screen = new Screen()
  phone.clock.keep(screen)
  await phone.world.run(200)
  const opens = phone.truth + 120_000
  let openedAt = 0
  whenDue(phone.clock, phone.run, opens, () => (openedAt = phone.truth), 150)
  // When it sleeps for a minute, and is shown again
  screen.hide()
  await phone.world.run(60_000)
  phone.frozenMs = 60_000
  expect(phone.clock.read()!.errorMs).toBeLessThan(1_000)
  screen.show()
  expect(phone.clock.read()!.errorMs).toBe(Infinity)
  await phone.world.run(90_000)
  // Then the button opens at the true time
  expect(openedAt).toBeGreaterThanOrEqual(opens)
  expect(openedAt - opens).toBeLessThan(200)
})

test('a jump that nobody announced is found by the next round trip', async () => {
  const phone = new Phone(0, [])
  void phone.clock.sync()
  await phone.world.run(1_000)
  phone.frozenMs = 5_000
  void phone.clock.sync()
  await phone.world.run(1_000)
  expect(Math.abs(phone.clock.read()!.ms - phone.truth)).toBeLessThan(30)
})

test('hiding stops the timers of the clock', async () => {
  const phone = new Phone(0, [])
  const screen = new Screen()
  const stop = phone.clock.keep(screen)
  await phone.world.run(1_000)
  screen.hide()
  await phone.world.run(600_000)
  expect(phone.clock.read()!.errorMs).toBeGreaterThan(100) // it has only drifted since
  stop()
})
