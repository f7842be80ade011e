import fc from 'fast-check'
import { expect, test } from 'vitest'

import { phaseOf } from '../../core/line/phase.ts'
import { LineTwin } from '../twins/line.ts'
import { Memory, World } from '../twins/world.ts'
import { type Fate, visitor } from './visitor.ts'

function open() {
  const world = new World()
  const twin = new LineTwin(world)
  const phone = visitor(world, twin)
  const phase = (units = 0) => phaseOf(phone.now(), phone.known.of('d1'), units)
  return { world, twin, phase, ...phone }
}

test('from joining to the turn; a turn is good for one purchase', async () => {
  const { world, twin, visit, phase, known, now } = open()
  expect(phase()).toBe('loading')
  await world.run(100)
  expect(phase()).toBe('join')
  visit.join()
  visit.join()
  await world.run(100)
  expect([phase(), now().place?.position]).toEqual(['waiting', null])
  twin.open()
  await world.runUntil(12_000)
  expect(now().place?.position).toBe(0)
  twin.serve(1)
  await world.run(4_000)
  expect(phase()).toBe('turn')
  visit.use()
  expect(phase()).toBe('bought')
  expect(known.of('d1')).toMatchObject({ index: 0, position: 0, usedTurn: 12_000 })
  expect(twin.places).toEqual(['ann'])
})

test('who enters a draw with a challenge solves it on the way', async () => {
  const { world, twin, visit, phase, asked } = open()
  twin.mode = 'draw'
  twin.challenge = 50
  await world.run(100)
  visit.join()
  await world.run(300)
  expect([phase(), twin.places]).toEqual(['waiting', ['ann']])
  expect(asked.filter((one) => one === 'POST entries')).toHaveLength(2)
  expect(world.now).toBeLessThan(twin.opensMs)
})

test('what a room tells of a line is looked at soon, not at the next poll', async () => {
  const { world, twin, visit, phase, asked } = open()
  await world.run(100)
  visit.join()
  await world.run(100)
  twin.open()
  await world.run(15_000)
  twin.isGone = true
  const before = asked.length
  visit.hear()
  await world.run(1_500)
  expect(asked.length).toBeGreaterThan(before)
  expect(phase()).toBe('gone')
})

test('a turn that nobody used is missed; joining again takes a place at the end', async () => {
  const { world, twin, visit, phase, now } = open()
  twin.join('bob')
  twin.open()
  await world.run(100)
  visit.join()
  await world.run(100)
  twin.serve(2)
  await world.run(25_000)
  expect([phase(), phase(1)]).toEqual(['missed', 'bought'])
  visit.join()
  await world.run(200)
  expect([phase(), now().place?.index]).toEqual(['waiting', 2])
  expect(twin.places).toEqual(['bob', null, 'ann'])
})

test('gone is said at once, and stops the looks; a line that goes on is noticed', async () => {
  const { world, twin, visit, phase, asked } = open()
  twin.open()
  await world.run(100)
  visit.join()
  await world.run(100)
  twin.isGone = true
  await world.run(3_000)
  expect(phase()).toBe('gone')
  const before = asked.filter((one) => one.includes('me')).length
  await world.run(60_000)
  expect(asked.filter((one) => one.includes('me'))).toHaveLength(before)
  twin.isGone = false
  await world.run(20_000)
  expect(phase()).toBe('waiting')
})

test('it looks as often as it is asked to, with the signed place, and never while hidden', async () => {
  const { world, visit, asked, screen, phase } = open()
  await world.run(100)
  visit.join()
  await world.run(10_000)
  const looks = asked.filter((one) => one.startsWith('GET line/me'))
  expect(looks.length).toBeLessThan(7)
  expect(looks.at(-1)).toBe('GET line/me?place=lsl1.k.1.0.mac')
  screen.hide()
  await world.run(3_000)
  const before = asked.length
  await world.run(300_000)
  expect(asked).toHaveLength(before)
  screen.show()
  await world.run(100)
  expect([asked.length > before, phase()]).toEqual([true, 'waiting'])
})

test('a drop without a line is bought from as ever; so is one whose line nobody can read', async () => {
  const { world, twin, phase } = open()
  twin.answer = () => [404, { type: '', title: '', status: 404, code: 'unknown_line' }]
  await world.run(100)
  expect(phase()).toBe('none')
  const away = open()
  away.twin.answer = () => [503, { type: '', title: '', status: 503, code: 'store_unavailable' }]
  await away.world.run(500)
  expect(away.phase()).toBe('loading')
  await away.world.run(5_000)
  expect([away.phase(), away.now().isStale]).toEqual(['none', true])
})

test('a closed list refuses, with the reason; then one may stand behind the draw', async () => {
  const { world, twin, visit, phase, now } = open()
  twin.mode = 'draw'
  await world.run(100)
  twin.open()
  visit.join() // the phone does not know yet that the list is closed
  await world.run(300)
  expect([phase(), now().problem?.code]).toEqual(['join', 'line_closed'])
  await world.run(20_000)
  visit.join()
  await world.run(100)
  expect([phase(), now().problem]).toEqual(['waiting', null])
})

test('a waitlist takes people only when nothing is left', async () => {
  const { world, twin, phase } = open()
  twin.mode = 'waitlist'
  twin.open()
  await world.run(100)
  expect(phase()).toBe('none')
  twin.available = 0
  await world.run(6_000)
  expect(phase()).toBe('join')
  twin.available = 1
  twin.join('bob')
  await world.run(6_000)
  expect(phase()).toBe('join')
})

test('what a killed app sent arrives after the place was left: the new place is found', async () => {
  const world = new World()
  const twin = new LineTwin(world)
  const memory = new Memory()
  const first = visitor(world, twin, memory)
  await world.run(100)
  first.network.fates.push(1_000)
  first.visit.join()
  first.kill()
  const second = visitor(world, twin, memory)
  await world.run(200)
  second.visit.leave()
  await world.run(200)
  expect([second.now().place, twin.place('ann')]).toEqual([null, null])
  await world.run(40_000)
  expect(twin.place('ann')?.index).toBe(1)
  expect(second.now().place?.index).toBe(1)
})

const fate = fc.oneof<fc.Arbitrary<Fate>[]>(
  fc.constant('lost'),
  fc.constant('unheard'),
  fc.integer({ min: 5, max: 4_000 }),
)
const deed = fc.constantFrom('join', 'leave', 'kill', 'hide', 'show', 'open', 'serve', 'wait')

test('whatever is lost or late, and whoever kills the app: a place is what the service said', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fate, { maxLength: 40 }),
      fc.array(fc.tuple(deed, fc.integer({ min: 1, max: 4_000 })), { maxLength: 14 }),
      async (fates, deeds) => {
        const world = new World()
        const twin = new LineTwin(world)
        const memory = new Memory()
        twin.join('bob')
        let phone = visitor(world, twin, memory)
        const all = [phone]
        phone.network.fates.push(...fates)
        for (const [one, ms] of deeds) {
          if (one === 'join') phone.visit.join()
          if (one === 'leave') phone.visit.leave()
          if (one === 'hide') phone.screen.hide()
          if (one === 'show') phone.screen.show()
          if (one === 'open') twin.open()
          if (one === 'serve' && twin.n0 !== null) twin.serve(1)
          if (one === 'kill') {
            phone.kill()
            phone = visitor(world, twin, memory)
            all.push(phone)
          }
          await world.run(ms)
        }
        phone.screen.show()
        phone.network.fates.length = 0
        await world.run(120_000)
        // One place at most, and every one that was ever shown was told.
        expect(twin.places.filter((one) => one === 'ann').length).toBeLessThan(2)
        for (const { seen } of all) {
          for (const { place } of seen) {
            if (place !== null) expect(twin.told).toContain(`${place.index}:${place.standing}`)
          }
        }
        // When the network works again, the screen is the truth.
        const { place, doing } = phone.now()
        const truth = twin.place('ann')
        expect([doing, place?.index, place?.standing]).toEqual([null, truth?.index, truth?.standing])
      },
    ),
    { numRuns: Number(process.env['FACES_RUNS'] ?? 150) },
  )
})
