import fc from 'fast-check'
import { expect, test } from 'vitest'

import { CommentRows, inSlots } from '../../core/room/comments.ts'
import type { CommentView } from '../../core/room/messages.ts'
import { ROWS } from '../../core/room/state.ts'

function comment(id: number, text = `comment ${id}`): CommentView {
  return { comment_id: id, at_ms: id, person_id: 'p'.repeat(20), role: 'viewer', text } as CommentView
}

function comments(first: number, last: number): CommentView[] {
  return Array.from({ length: last - first + 1 }, (_, at) => comment(first + at))
}

const idsOf = (rows: readonly (CommentView | null)[]) => rows.map((row) => row?.comment_id)

test('it follows the newest; who reads sees nothing move, and how many are new', () => {
  const rows = new CommentRows()
  rows.hear(comments(1, 60))
  rows.read()
  rows.hear(comments(11, 70))
  expect(idsOf(rows.state.get().rows)).toEqual(idsOf(comments(1, 60)))
  expect(rows.state.get()).toMatchObject({ unread: 10, isReading: true })
  rows.follow()
  expect(idsOf(rows.state.get().rows)).toEqual(idsOf(comments(11, 70)))
  expect(rows.state.get()).toMatchObject({ unread: 0, isReading: false })
})

test('a deleted comment goes at once, also from what somebody reads', () => {
  const rows = new CommentRows()
  rows.hear(comments(1, 10))
  rows.read()
  rows.hear(comments(5, 12).filter(({ comment_id }) => comment_id !== 7))
  // Of those that left the room's last comments nothing is known: they stay.
  expect(idsOf(rows.state.get().rows)).toEqual([1, 2, 3, 4, 5, 6, 8, 9, 10])
  expect(rows.state.get().unread).toBe(2)
})

test('in slots each row stays where it is, whatever comes and goes', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 70 }), { maxLength: 40 }), (steps) => {
      let slots: readonly (CommentView | null)[] = []
      let last = 0
      for (const step of steps) {
        last += step
        const rows = comments(Math.max(1, last - ROWS + 1), last)
        const next = inSlots(slots, rows)
        expect(next.length).toBeLessThanOrEqual(ROWS)
        const shown = idsOf(next).filter((id) => id !== undefined)
        expect([...shown].sort((a, b) => a - b)).toEqual(idsOf(rows))
        for (const [at, row] of slots.entries()) {
          const isStill = row && rows.some((one) => one.comment_id === row.comment_id)
          if (isStill) expect(next[at]?.comment_id).toBe(row.comment_id)
        }
        slots = next
      }
    }),
  )
})

test('what changes in a flush of a crowded room is small: a setData of 8 KB at most', () => {
  const long = '很'.repeat(100) // three bytes each
  let slots: readonly (CommentView | null)[] = []
  slots = inSlots(slots, comments(1, 60))
  for (let last = 65; last <= 260; last += 5) {
    const rows = [...comments(last - 59, last - 5), ...[4, 3, 2, 1, 0].map((n) => comment(last - n, long))]
    const next = inSlots(slots, rows)
    const changed = next.filter((row, at) => row?.comment_id !== slots[at]?.comment_id)
    expect(new TextEncoder().encode(JSON.stringify(changed)).length).toBeLessThan(8_192)
    slots = next
  }
})
