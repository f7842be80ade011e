import { expect } from 'vitest'

import type { Shown } from '../../core/room/state.ts'
import { type ModelRoom, normal } from '../twins/room.ts'

/** What is shown is a state that the room had, at exactly this place. */
export function expectTrue(room: ModelRoom, shown: Shown): void {
  const truth = room.states.get(`${shown.place.epoch}:${shown.place.offset}`)
  const mine = normal({ ...shown, drops: Object.values(shown.drops) })
  const { comments } = truth as { comments: number[] }
  const kept = comments.length > 0 ? mine.comments.slice(-comments.length) : []
  expect({ ...mine, comments: kept }).toEqual(truth)
}
