/** The drops of the cockpit: in which order, and what is said of each. */

import type { DropFigure } from '../live/feed.ts'
import { titleOf } from '../live/titles.ts'

export type Group = 'selling' | 'paused' | 'soldout' | 'scheduled' | 'closed'

/** What a drop is for an operator; `open` before its time is scheduled, and without units sold out. */
export function groupOf(drop: DropFigure, serverMs: number): Group {
  if (drop.state === 'paused') return 'paused'
  if (drop.state === 'closed') return 'closed'
  if (drop.state !== 'open' || drop.opens_ms > serverMs) return 'scheduled'
  return drop.remaining === 0 ? 'soldout' : 'selling'
}

const ORDER: readonly Group[] = ['paused', 'selling', 'soldout', 'scheduled', 'closed']

export interface Row {
  readonly drop: DropFigure
  readonly title: string
  readonly group: Group
}

export function rowsOf(drops: readonly DropFigure[], serverMs: number): Row[] {
  const rows = drops.map((drop) => ({ drop, title: titleOf(drop.drop_id), group: groupOf(drop, serverMs) }))
  // Stable: rows change places only with their group, so that a tap hits what was aimed at.
  return rows.sort(
    (one, other) =>
      ORDER.indexOf(one.group) - ORDER.indexOf(other.group) ||
      (one.group === 'scheduled' ? one.drop.opens_ms - other.drop.opens_ms : 0) ||
      (one.drop.drop_id < other.drop.drop_id ? 1 : -1),
  )
}

export function share(part: number, whole: number): number {
  return whole > 0 ? (100 * part) / whole : 0
}
