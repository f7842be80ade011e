/** The drops of the cockpit: in which order, and what is said of each. */

import type { DropFigure } from '../live/feed.ts'
import { titleOf } from '../live/titles.ts'
import { span } from '../texts/formats.ts'
import { t } from '../texts/texts.ts'

export type Group = 'selling' | 'paused' | 'soldout' | 'scheduled' | 'closed'

/** What a drop is for an operator; `open` before its time is scheduled, and without units sold out. */
export function groupOf(drop: DropFigure, serverMs: number): Group {
  if (drop.state === 'paused') return 'paused'
  if (drop.state === 'closed') return 'closed'
  if (drop.state !== 'open' || drop.opens_ms > serverMs) return 'scheduled'
  return drop.remaining === 0 ? 'soldout' : 'selling'
}

const ORDER: Readonly<Record<Group, number>> = { paused: 0, selling: 1, soldout: 2, scheduled: 3, closed: 4 }

export interface Row {
  readonly drop: DropFigure
  readonly title: string
  readonly group: Group
  /** When it opens or closes, in words. */
  readonly when: string
}

const SOON_MS = 172_800_000

function whenOf({ opens_ms, closes_ms, state }: DropFigure, serverMs: number): string {
  if (state === 'closed') return ''
  if (opens_ms > serverMs) return t('row.opens', { in: span(opens_ms - serverMs) })
  const left = closes_ms - serverMs
  return left < SOON_MS ? t('row.closes', { in: span(left) }) : ''
}

function isSame(one: Row, other: Row): boolean {
  if (one.title !== other.title || one.group !== other.group || one.when !== other.when) return false
  const names = Object.keys(one.drop) as (keyof DropFigure)[]
  const [line, otherLine] = [one.drop.line, other.drop.line]
  if (line?.state !== otherLine?.state || line?.waiting !== otherLine?.waiting) return false
  return names.every((name) => name === 'line' || one.drop[name] === other.drop[name])
}

/** The rows of a screen. A row that says the same stays the same object, and is not drawn again. */
export class Rows {
  private last = new Map<string, Row>()

  of(drops: readonly DropFigure[], serverMs: number): Row[] {
    const rows = drops.map((drop) => {
      const row = { drop, title: titleOf(drop.drop_id), group: groupOf(drop, serverMs), when: whenOf(drop, serverMs) }
      const before = this.last.get(drop.drop_id)
      return before !== undefined && isSame(before, row) ? before : row
    })
    this.last = new Map(rows.map((row) => [row.drop.drop_id, row]))
    // Stable: rows change places only with their group, so that a tap hits what was aimed at.
    return rows.sort(
      (one, other) =>
        ORDER[one.group] - ORDER[other.group] ||
        (one.group === 'scheduled' ? one.drop.opens_ms - other.drop.opens_ms : 0) ||
        (one.drop.drop_id < other.drop.drop_id ? 1 : -1),
    )
  }
}

export function share(part: number, whole: number): number {
  return whole > 0 ? (100 * part) / whole : 0
}
