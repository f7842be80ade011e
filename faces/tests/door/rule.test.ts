import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import { decide, parseDraw, type Door } from '../../door/rule.ts'

const LINE = {
  drop_id: 'd1',
  title: 'Tea',
  state: 'gathering',
  opens_ms: 1_000_000,
  people: 5,
  serving: 0,
  available: 100,
  held: 0,
} as const

function door(change: Partial<Door> = {}): Door {
  const lines = [LINE]
  return { shop: '', holds: true, spread_ms: 60_000, retry_after_ms: 2_000, lines, server_ms: 0, ...change }
}

test('nobody is held without a crowd, and what was drawn is forgotten', () => {
  const kept = { opening: 'd1', atMs: 5_000 }
  expect(decide(door({ holds: false, lines: [] }), 0, kept, () => 0.5)).toEqual({ goesIn: true, draw: null })
})

test('a moment is drawn once for an opening, within the spread, and let in at that moment', () => {
  fc.assert(
    fc.property(fc.nat(2_000_000), fc.nat(300_000), fc.double({ min: 0, max: 0.999, noNaN: true }), (now, spread, chance) => {
      const first = decide(door({ spread_ms: spread }), now, null, () => chance)
      const draw = first.draw
      expect(draw).not.toBeNull()
      if (draw === null) return
      expect(draw.atMs).toBeGreaterThanOrEqual(now)
      expect(draw.atMs).toBeLessThanOrEqual(now + spread)
      // A reload, a later answer, another chance: nothing moves.
      const again = decide(door({ spread_ms: 1 }), now + 1_000, parseDraw(JSON.stringify(draw)), () => 0)
      expect(again.draw).toEqual(draw)
      expect(again.goesIn).toBe(now + 1_000 >= draw.atMs)
      expect(decide(door(), draw.atMs, draw, () => 0.9).goesIn).toBe(true)
    }),
  )
})

test('another opening is another draw', () => {
  const kept = { opening: 'd1', atMs: 1 }
  const next = door({ lines: [LINE, { ...LINE, drop_id: 'd0' }] })
  expect(decide(next, 10, kept, () => 0.5)).toEqual({ goesIn: false, draw: { opening: 'd0 d1', atMs: 30_010 } })
})

test('what somebody wrote into the storage is no draw', () => {
  for (const text of [null, '', '{', '3', 'null', '[]', '{"opening":1,"atMs":2}', '{"opening":"d"}']) {
    expect(parseDraw(text)).toBeNull()
  }
})
