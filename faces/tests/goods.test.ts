import { expect, test } from 'vitest'

import type { Answer } from '../core/answers.ts'
import { GoodsBook } from '../core/goods/book.ts'
import { sourceOf } from '../core/goods/pictures.ts'
import { type Drop, groupSales, isForSale, standingOf } from '../core/goods/sales.ts'
import { choicesOf, choose, chosenSku } from '../core/goods/skus.ts'
import { DropWatch } from '../core/goods/watch.ts'
import { Pages } from '../core/pages.ts'
import { Run, Screen, World } from './twins/world.ts'

function drop(id: string, changes: Partial<Drop> = {}): Drop {
  return {
    drop_id: id,
    campaign_id: 'c',
    sku_id: `s-${id}`,
    title: id,
    state: 'open',
    price_fen: 100,
    buyer_limit: 2,
    hold_ms: 60_000,
    opens_ms: 0,
    closes_ms: 1_000_000,
    allotted: 10,
    remaining: 5,
    ticket_required: false,
    server_ms: 0,
    ...changes,
  }
}

test('a list begins with what can be bought, and ends with what is over', () => {
  const sales = groupSales(
    [
      drop('over', { state: 'closed' }),
      drop('later', { state: 'scheduled', opens_ms: 9_000 }),
      drop('out', { state: 'sold_out', remaining: 0 }),
      drop('soon', { state: 'scheduled', opens_ms: 7_000 }),
      drop('open'),
      drop('paused', { state: 'paused' }),
      drop('open'),
    ],
    5_000,
  )
  expect(sales.live.map(({ drop_id }) => drop_id)).toEqual(['open', 'paused', 'out'])
  expect(sales.soon.map(({ drop_id }) => drop_id)).toEqual(['soon', 'later'])
  expect(sales.ended.map(({ drop_id }) => drop_id)).toEqual(['over'])
})

test('a drop opens by the clock, before the service has said so', () => {
  const scheduled = drop('d', { state: 'scheduled' })
  expect(standingOf(scheduled, false)).toBe('soon')
  expect(standingOf(scheduled, true)).toBe('open')
  expect(standingOf({ ...scheduled, remaining: 0 }, true)).toBe('sold_out')
  expect(standingOf({ ...scheduled, state: 'paused' }, true)).toBe('paused')
})

test('options that no SKU has together are not offered', () => {
  const sku = (colour: string, size: string) => ({
    sku_id: colour + size,
    title: '',
    price_fen: 1,
    attributes: [
      { name: 'colour', value: colour },
      { name: 'size', value: size },
      { name: 'made', value: 'here' },
    ],
  })
  const skus = [sku('red', 'S'), sku('red', 'L'), sku('blue', 'L')]
  const [colours, sizes, ...none] = choicesOf(skus, { size: 'S' })
  expect(none).toEqual([]) // all were made here: nothing to choose
  expect(colours?.values).toEqual([
    { value: 'red', isOffered: true },
    { value: 'blue', isOffered: false },
  ])
  expect(sizes?.values.map(({ isOffered }) => isOffered)).toEqual([true, true])
  expect(chosenSku(skus, { size: 'S' })?.sku_id).toBe('redS')
  expect(chosenSku(skus, { colour: 'red' })).toBeNull()
  // A choice that fits nothing gives up the other one; the same choice again takes it back.
  expect(choose(skus, { size: 'S' }, 'colour', 'blue')).toEqual({ colour: 'blue' })
  expect(choose(skus, { size: 'S', colour: 'red' }, 'colour', 'red')).toEqual({ size: 'S' })
})

test('a picture has the size that its place needs', () => {
  const file = { width: 1, height: 1, webp: '/media/a.webp', jpeg: '/media/a.jpg' }
  const own = { url: '/media/b.jpg', sizes: { thumb: file } }
  expect(sourceOf(own, 'thumb', 'https://api', true)).toBe('https://api/media/a.webp')
  expect(sourceOf(own, 'large', 'https://api', true)).toBe('https://api/media/b.jpg')
  const foreign = { url: 'https://img/c.jpg', sizes: null }
  expect(sourceOf(foreign, 'thumb', 'https://api', true)).toBe('https://img/c.jpg')
})

/** A service that has one drop, and can be away. */
function open() {
  const world = new World()
  const screen = new Screen()
  const service = { isAway: false, asked: 0, drop: drop('d') }
  const api = {
    ask: async () => {
      service.asked += 1
      if (service.isAway) return { kind: 'lost' }
      const body = { drops: [{ drop_id: 'd', drop: service.drop, code: null }], server_ms: 0 }
      return { kind: 'good', status: 200, body }
    },
  } as never
  const clock = { until: (ms: number) => ms - world.now }
  const platform = { timers: new Run(world), visibility: screen, chance: () => 0.5 }
  const watch = new DropWatch({ platform, api, clock })
  watch.follow(['d'])
  watch.start()
  return { world, screen, service, watch }
}

test('a drop that sells is followed every two seconds, and not while nobody looks', async () => {
  const { world, screen, service, watch } = open()
  await world.run(10_000)
  expect(service.asked).toBeGreaterThanOrEqual(5)
  expect(watch.state.get().drops['d']?.remaining).toBe(5)
  screen.hide()
  await world.run(5_000)
  const before = service.asked
  await world.run(60_000)
  expect(service.asked).toBe(before)
  service.drop = drop('d', { remaining: 1 })
  screen.show()
  await world.run(100)
  expect(watch.state.get().drops['d']?.remaining).toBe(1)
})

test('without answers the numbers stay and say that they are old, until there is one', async () => {
  const { world, service, watch } = open()
  await world.run(3_000)
  service.isAway = true
  await world.run(7_000)
  expect(watch.state.get().isStale).toBe(false)
  await world.run(6_000)
  expect(watch.state.get()).toMatchObject({ isStale: true, drops: { d: { remaining: 5 } } })
  service.isAway = false
  await world.run(9_000)
  expect(watch.state.get().isStale).toBe(false)
})

test('a drop that opens in an hour is asked rarely, and often before it opens', async () => {
  const { world, service, watch } = open()
  service.drop = drop('d', { state: 'scheduled', opens_ms: 120_000 })
  watch.ask()
  await world.run(90_000)
  expect(service.asked).toBeLessThan(12)
  const before = service.asked
  await world.run(30_000)
  expect(service.asked - before).toBeGreaterThan(8)
})

test('each row of a list comes once, and an old answer never replaces a new list', async () => {
  const answers: ((answer: Answer<{ rows: string[]; next: string | null }>) => void)[] = []
  const pages = new Pages<string>(
    () => new Promise((done) => answers.push(done)),
    (row) => row,
  )
  const good = (rows: string[], next: string | null) =>
    ({ kind: 'good', status: 200, body: { rows, next } }) as const
  const first = pages.reload()
  answers[0]?.(good(['a', 'b'], 'b'))
  await first
  const second = pages.more()
  void pages.more() // one at a time
  expect(answers.length).toBe(2)
  answers[1]?.(good(['b', 'c'], null))
  await second
  expect(pages.state.get()).toMatchObject({ rows: ['a', 'b', 'c'], hasMore: false })
  const old = pages.restart()
  const fresh = pages.restart()
  answers[3]?.(good(['x'], null))
  answers[2]?.(good(['old'], null))
  await Promise.all([old, fresh])
  expect(pages.state.get().rows).toEqual(['x'])
  const lost = pages.reload()
  answers[4]?.({ kind: 'lost' })
  await lost
  expect(pages.state.get()).toMatchObject({ rows: ['x'], fault: { problem: null } })
})

test('what a drop sells is asked once', async () => {
  const asked: string[] = []
  const api = {
    ask: async (_verb: string, _path: string, call: { query: { drops: string } }) => {
      asked.push(call.query.drops)
      const goods = call.query.drops.split(',').map((drop_id) => ({
        drop_id,
        title: drop_id === 'strange' ? null : drop_id,
        product_id: null,
        attributes: [],
        picture: null,
      }))
      return { kind: 'good', status: 200, body: { goods } }
    },
  } as never
  const book = new GoodsBook(api)
  await Promise.all([book.want(['a', 'b']), book.want(['b', 'strange'])])
  await book.want(['a', 'strange'])
  expect(asked).toEqual(['a,b', 'strange', 'strange'])
  expect(Object.keys(book.state.get())).toEqual(['a', 'b'])
})

test('prizes of a lucky bag have no price, and are not for sale', () => {
  expect([0, 1].map((price_fen) => isForSale({ price_fen }))).toEqual([false, true])
})
