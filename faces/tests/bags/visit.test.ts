import { expect, test } from 'vitest'

import { Api } from '../../core/api.ts'
import { KnownBags } from '../../core/bags/known.ts'
import { BagVisit } from '../../core/bags/visit.ts'
import type { HttpAnswer, HttpRequest } from '../../core/platform.ts'
import { RequestQueue } from '../../core/queue.ts'
import type { Said } from '../../core/room/line.ts'
import type { BagView } from '../../core/room/messages.ts'
import { Memory, Run, Screen, World } from '../twins/world.ts'

const BAG = {
  bag_id: 'b1',
  title: 'Tea',
  state: 'open',
  prize: { drop_id: null, coupon: 'x' },
  places: 1,
  stay_ms: 0,
  draws_ms: 60_000,
  commitment: 'c0ffee',
} as BagView
const DRAWN = { ...BAG, state: 'drawn' } as BagView

type Reply = readonly [number, object] | null

/** A service that gives these answers in turn; the last one for ever. */
function open(bag: BagView, replies: Reply[], options: { said?: Said; memory?: Memory } = {}) {
  const world = new World()
  const run = new Run(world)
  const asked: string[] = []
  const said: string[] = []
  const http = {
    send: (request: HttpRequest) => {
      asked.push(`${request.method} ${request.url.split('/').pop()}`)
      const reply = replies.length > 1 ? replies.shift()! : replies[0]!
      const answer = new Promise<HttpAnswer | null>((done) =>
        world.after(20, () =>
          done(reply && { status: reply[0], headers: {}, text: JSON.stringify(reply[1]) }),
        ),
      )
      return { answer, cancel: () => {} }
    },
  }
  const known = new KnownBags(options.memory ?? new Memory(), 'ann')
  const visit = new BagVisit('r1', bag, {
    platform: { timers: run, visibility: new Screen(), chance: () => 0.5 },
    api: new Api(new RequestQueue(http, run), 'http://x', () => 'token'),
    known,
    say: (text) => {
      said.push(text)
      return Promise.resolve(options.said ?? { kind: 'said', commentId: 1 })
    },
    logIn: () => Promise.resolve(true),
  })
  return { world, visit, known, asked, said, now: () => visit.state.get() }
}

const problem = (status: number, code: string, more: object = {}): Reply => [
  status,
  { type: '', title: '', status, code, ...more },
]
const ENTRY: Reply = [201, { bag_id: 'b1', entry_id: 'e1', position: 3, draws_ms: 60_000 }]

test('"entered" is only what the service said; a lost answer is asked for again', async () => {
  const { world, visit, asked, known, now } = open(BAG, [null, problem(503, 'outcome_unknown'), ENTRY])
  visit.tap()
  visit.tap()
  await world.run(100)
  expect(now().step).toBe('asking')
  await world.run(20_000)
  expect(now()).toEqual({ step: 'entered', entryId: 'e1', position: 3 })
  expect(asked).toHaveLength(3)
  expect(known.of('b1')).toEqual({ commitment: 'c0ffee', entryId: 'e1' })
})

test('the phrase is said first, once', async () => {
  const { world, visit, said, now } = open({ ...BAG, phrase: 'tea please' }, [ENTRY])
  visit.tap()
  await world.run(100)
  expect([said, now().step]).toEqual([['tea please'], 'entered'])
})

test('a phrase that is refused enters nothing; it may be said again', async () => {
  const muted = { type: '', title: '', status: 403, code: 'muted' }
  const refused = open({ ...BAG, phrase: 'tea' }, [ENTRY], {
    said: { kind: 'refused', problem: muted as never },
  })
  refused.visit.tap()
  await refused.world.run(100)
  expect([refused.now().step, refused.asked]).toEqual(['refused', []])

  const unheard = open({ ...BAG, phrase: 'tea' }, [problem(409, 'phrase_missing'), ENTRY])
  unheard.visit.tap()
  await unheard.world.run(100)
  unheard.visit.tap()
  await unheard.world.run(100)
  expect([unheard.said.length, unheard.now().step]).toEqual([2, 'entered'])
})

test('a stay repeats the call as the service asks, until it is over', async () => {
  const stay = problem(425, 'stay_longer', { retry_after_s: 5 })
  const { world, visit, asked, now } = open({ ...BAG, stay_ms: 15_000 }, [stay, stay, stay, ENTRY])
  visit.tap()
  await world.run(1_000)
  expect(now()).toEqual({ step: 'staying', sinceMs: 0 })
  await world.run(13_000)
  expect(asked).toHaveLength(3)
  await world.run(5_000)
  expect(now().step).toBe('entered')
})

test('the draw asks for the result: won, lost, or not in it', async () => {
  const prize = { place: 1, state: 'pending', drop_id: null, coupon: 'x', order_id: null, code: null }
  const own = (found: object | null, entered = true): Reply => [
    200,
    { bag_id: 'b1', entry_id: 'e1', entered, prize: found },
  ]
  const won = open(BAG, [problem(425, 'not_drawn'), own(prize), own({ ...prize, state: 'held' })])
  won.visit.update(DRAWN)
  await won.world.run(10_000)
  expect(won.now()).toMatchObject({ step: 'won', prize: { state: 'held' } })
  const lost = open(DRAWN, [own(null)])
  await lost.world.run(100)
  expect(lost.now().step).toBe('lost')
  const other = open(DRAWN, [own(null, false)])
  await other.world.run(100)
  expect(other.now().step).toBe('not_entered')
})

test('a coupon shows its code when the service gives it', async () => {
  const prize = { place: 1, state: 'held', drop_id: null, coupon: 'x', order_id: null, code: null }
  const own = { bag_id: 'b1', entry_id: 'e1', entered: true, prize }
  const { world, visit, now } = open(DRAWN, [[200, own], null, [200, { ...prize, code: 'AB12' }]])
  await world.run(100)
  visit.claim()
  await world.run(200)
  expect(now()).toMatchObject({ isClaiming: true, prize: { code: null } })
  await world.run(5_000)
  expect(now()).toMatchObject({ step: 'won', isClaiming: false, prize: { code: 'AB12' } })
})

test('commitment and entry outlive the app; the first commitment counts', () => {
  const memory = new Memory()
  const known = new KnownBags(memory, 'ann')
  known.see(BAG)
  known.see({ ...BAG, commitment: 'other' })
  known.entered('b1', 'e1')
  expect(new KnownBags(memory, 'ann').of('b1')).toEqual({ commitment: 'c0ffee', entryId: 'e1' })
  known.see({ ...DRAWN, bag_id: 'b2' }) // after the draw it proves nothing
  expect(known.of('b2')).toEqual({})
  expect(new KnownBags(memory, 'bob').of('b1')).toEqual({})
})
