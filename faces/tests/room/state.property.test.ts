import fc from 'fast-check'
import { expect, test } from 'vitest'

import type { RoomEvent, Snapshot } from '../../core/room/messages.ts'
import { type Shown, hearEvent, hearSnapshot } from '../../core/room/state.ts'
import { ModelRoom } from '../twins/room.ts'
import { expectTrue } from './truth.ts'

const RUNS = Number(process.env['FACES_RUNS'] ?? 1_000)

interface Arrival {
  readonly line: number
  readonly epoch: string
  readonly message: RoomEvent | Snapshot
}

const steps = fc.array(
  fc.oneof(
    { weight: 10, arbitrary: fc.tuple(fc.constant('change' as const), fc.nat(13), fc.nat(99)) },
    { weight: 2, arbitrary: fc.tuple(fc.constant('line' as const), fc.nat(1), fc.nat(9)) },
    { weight: 1, arbitrary: fc.tuple(fc.constant('lose' as const), fc.nat(1), fc.nat(1)) },
  ),
  { minLength: 1, maxLength: 60 },
)

test('in any order, lost, doubled or late: only states are shown that the room had', () => {
  fc.assert(
    fc.property(steps, fc.array(fc.nat(9), { maxLength: 200 }), (plan, luck) => {
      // Given all that the service sent, over several lines
      const room = new ModelRoom(() => 0)
      const sent: Arrival[] = [{ line: 1, epoch: room.epoch, message: room.snapshot() }]
      let line = 1
      let place = { epoch: room.epoch, offset: room.offset }
      const send = (): void => {
        if (place.epoch !== room.epoch || !room.reaches(place.offset)) {
          sent.push({ line, epoch: room.epoch, message: room.snapshot() })
        } else {
          for (const message of room.after(place.offset)) {
            sent.push({ line, epoch: room.epoch, message })
          }
        }
        place = { epoch: room.epoch, offset: room.offset }
      }
      for (const [what, choice, number] of plan) {
        if (what === 'change') room.change(choice, number)
        else if (what === 'lose') room.lose()
        else {
          line += 1
          place = { epoch: room.epoch, offset: Math.max(0, room.offset - number) }
        }
        send()
      }

      // When it arrives in another order, in part, and twice
      const arrived: Arrival[] = []
      for (const [at, arrival] of sent.entries()) {
        const chance = luck[at] ?? 5
        if (chance === 0) continue
        const where = chance === 1 ? Math.max(0, arrived.length - 3) : arrived.length
        arrived.splice(where, 0, arrival)
        if (chance === 2) arrived.push(arrival)
        if (chance === 3) arrived.push(arrived[Math.floor(arrived.length / 2)]!)
      }
      let shown: Shown | null = null
      for (const arrival of arrived) {
        const before: Shown | null = shown
        const heard = hear(shown, arrival)
        shown = heard.shown
        // Then nothing but what is next changes anything
        if (heard.verdict !== 'applied') expect(shown).toBe(before)
        else expectTrue(room, shown!)
      }

      // And a new line ends with what the room has now
      shown = hearSnapshot(shown, line + 1, room.snapshot()).shown!
      expect(shown.place).toMatchObject({ epoch: room.epoch, offset: room.offset })
      expectTrue(room, shown)
    }),
    { numRuns: RUNS },
  )
})

test('an event of a newer service moves the place and changes nothing else', () => {
  const room = new ModelRoom(() => 0)
  const { shown } = hearSnapshot(null, 1, room.snapshot())
  const strange = { type: 'confetti', offset: 1, at_ms: 0 } as unknown as RoomEvent
  const heard = hearEvent(shown, 1, room.epoch, strange)
  expect(heard.verdict).toBe('applied')
  expect({ ...heard.shown, place: null }).toEqual({ ...shown, place: null })
  expect(heard.shown?.place.offset).toBe(1)
})

test('a snapshot of the same epoch with fewer events replaces all, on a new line only', () => {
  const room = new ModelRoom(() => 0)
  const old = room.snapshot()
  room.change(0, 1)
  const { shown } = hearSnapshot(null, 1, room.snapshot())
  expect(hearSnapshot(shown, 1, old).verdict).toBe('known')
  expect(hearSnapshot(shown, 2, old).shown?.place.offset).toBe(0)
})

test('sixty comments are kept', () => {
  const room = new ModelRoom(() => 0)
  let { shown } = hearSnapshot(null, 1, room.snapshot())
  for (let number = 1; number <= 100; number += 1) {
    room.say(`c${number}`)
    shown = hearEvent(shown, 1, room.epoch, room.history.at(-1)!).shown
  }
  expect(shown?.comments.map(({ comment_id }) => comment_id)).toEqual(
    Array.from({ length: 60 }, (_, at) => at + 41),
  )
})

function hear(shown: Shown | null, { line, epoch, message }: Arrival) {
  return message.type === 'snapshot'
    ? hearSnapshot(shown, line, message)
    : hearEvent(shown, line, epoch, message)
}
