import { expect, test } from 'vitest'

import type { Answer } from '../../core/answers.ts'
import { Notices, type Notice } from '../../core/notices/notices.ts'
import type { Stop } from '../../core/platform.ts'
import type { Mine } from '../../core/room/messages.ts'
import { Run, Screen, World } from '../twins/world.ts'

function sold(id: string, at_ms = 1): Notice {
  const reservation = {
    reservation_id: id,
    drop_id: 'd1',
    status: 'sold' as const,
    quantity: 1,
    amount_fen: 100,
    late: false,
    won: false,
  }
  return { type: 'reservation.sold', at_ms, reservation } as Notice
}

function refund(state: string): Notice {
  const found = { refund_no: 'r1', order_id: 'o1', drop_id: 'd1', amount_fen: 100, state }
  return { type: 'refund.changed', at_ms: 1, refund: found } as Notice
}

function message(place: string, events: Notice[], read_again = false): Mine {
  return { type: 'mine', place, read_again, server_ms: 0, events } as Mine
}

/** A service that answers polls; `log` is where they began. */
function open() {
  const world = new World()
  const screen = new Screen()
  const log: string[] = []
  const heard: Notice[] = []
  let reads = 0
  let isKnown = true
  const waiting: { answer: (answer: Answer<Mine>) => void; stop: Stop }[] = []
  const notices = new Notices({
    platform: { timers: new Run(world), visibility: screen, chance: () => 0.5 },
    isKnown: () => isKnown,
    logIn: () => Promise.resolve(true),
    heard: (notice) => heard.push(notice),
    readAgain: () => (reads += 1),
    poll: (place, _, stop) => {
      log.push(place)
      return new Promise((answer) => {
        waiting.push({ answer, stop })
        stop.onStop(() => answer({ kind: 'lost' }))
      })
    },
  })
  const answer = async (found: Mine | null) => {
    const one = waiting.shift()
    one?.answer(found === null ? { kind: 'lost' } : { kind: 'good', status: 200, body: found })
    await world.run(0)
  }
  return {
    ...{ world, screen, notices, log, heard, waiting, answer },
    reads: () => reads,
    setKnown: (known: boolean) => (isKnown = known),
  }
}

test('while a screen wants it, polls follow each other from the last place', async () => {
  const { world, notices, log, answer, heard, reads } = open()
  expect(log).toEqual([])
  const stop = notices.want()
  await answer(message('p1', [], true))
  await answer(message('p2', [sold('o1')]))
  expect(log).toEqual(['new', 'p1', 'p2'])
  expect([heard.length, reads()]).toEqual([1, 1])
  await answer(null) // lost: the same place again, after a while
  await world.run(1_000)
  expect(log.at(-1)).toBe('p2')
  stop()
  await world.run(60_000)
  expect(log).toHaveLength(4)
})

test('a socket that carries the channel ends the polls; its end begins them again', async () => {
  const { notices, log, waiting } = open()
  notices.want()
  notices.carry(notices, true)
  expect(waiting[0]?.stop.isStopped()).toBe(true)
  notices.hear(message('p7', []))
  notices.carry(notices, false)
  expect(log).toEqual(['new', 'p7'])
})

test('a notice that comes twice is shown once, and of one thing only the newest state', async () => {
  const { notices, heard } = open()
  notices.hear(message('p1', [sold('o1'), sold('o1'), refund('due')]))
  notices.hear(message('p2', [sold('o1'), refund('refunded')]))
  expect(heard).toHaveLength(3)
  expect(notices.shown.get()).toHaveLength(2)
  expect(notices.shown.get().at(-1)).toMatchObject({ refund: { state: 'refunded' } })
  notices.putAway(notices.shown.get()[0]!)
  notices.hear(message('p3', [sold('o1')]))
  expect(notices.shown.get()).toHaveLength(1)
})

test('a hidden app asks nothing, and goes on with its place', async () => {
  const { world, screen, notices, log, answer } = open()
  notices.want()
  await answer(message('p1', []))
  screen.hide()
  await world.run(600_000)
  expect(log).toEqual(['new', 'p1'])
  screen.show()
  expect(log).toEqual(['new', 'p1', 'p1'])
})

test('another buyer begins anew, and sees nothing of the last one', async () => {
  const { notices, log } = open()
  notices.want()
  notices.hear(message('p9', [sold('o1')]))
  notices.forget()
  expect(notices.shown.get()).toEqual([])
  expect(log.at(-1)).toBe('new')
})

test('a stranger asks nothing', async () => {
  const { world, notices, log, setKnown } = open()
  setKnown(false)
  notices.want()
  await world.run(60_000)
  expect(log).toEqual([])
  setKnown(true)
  await world.run(20_000)
  expect(log).toEqual(['new'])
})
