/** The hour before the page was loaded, from SQL: so that curves and sparklines do not begin empty. */

import { watch } from 'vue'

import { curvesOf, sumOf, type Curve, type Side } from '../results/curves.ts'
import { may } from '../session.ts'
import { beat, feed, history } from './feed.ts'

const HOUR_MS = 3_600_000
const POINTS = 240
const STEP_MS = HOUR_MS / POINTS
const MOST = 50
const AGAIN_MS = 30_000

const filled = new Set<string>()
let isFilling = false
let triedAt = -AGAIN_MS

/** The value at each step of the clock: sparklines draw values at even distances. */
function even(points: readonly (readonly [number, number])[]): [number, number][] {
  const found: [number, number][] = []
  const end = points.at(-1)?.[0] ?? 0
  let at = 0
  for (let time = points[0]?.[0] ?? 0; time <= end; time += STEP_MS) {
    while (at + 1 < points.length && (points[at + 1]?.[0] ?? 0) <= time) at += 1
    found.push([time, points[at]?.[1] ?? 0])
  }
  return found
}

async function fill(ids: readonly string[], nowMs: number): Promise<void> {
  isFilling = true
  triedAt = performance.now()
  try {
    const curves = await curvesOf(ids, nowMs - HOUR_MS, undefined, POINTS)
    for (const curve of curves) {
      for (const side of ['remaining', 'held', 'sold'] as const) {
        history.of(`drop ${curve.drop_id} ${side}`).backfill(even(pointsOf(curve, side)))
      }
    }
    if (filled.size === 0) history.of('left').backfill(even(sumOf(curves, 'remaining')))
    for (const id of ids) filled.add(id)
    beat.value += 1
  } catch {
    // curves begin now; it is tried again
  } finally {
    isFilling = false
  }
}
const pointsOf = (curve: Curve, side: Side): [number, number][] => curve.points.map((point) => [point.at_ms, point[side]])

export function followBackfill(): void {
  watch(
    () => feed.figures,
    (figures) => {
      if (figures === null) {
        filled.clear()
        return
      }
      if (isFilling || !may('drop.read') || performance.now() - triedAt < AGAIN_MS) return
      const ids = (figures.drops.drops ?? []).map((drop) => drop.drop_id).filter((id) => !filled.has(id)).slice(0, MOST)
      if (ids.length > 0) void fill(ids, figures.server_ms)
    },
  )
}
