/** Curves of drops from SQL, summed: at each time the sum of what each drop had then. */

import { answer, api, type Schemas } from '../api/client.ts'

export type Curve = Schemas['DropCurve']
export type Point = Schemas['CurvePoint']
export type Side = 'remaining' | 'held' | 'sold'

const AT_ONCE = 50
const POINTS = 240

/** All curves of these drops between two times, some at a time. Throws Refused or Unanswered. */
export async function curvesOf(dropIds: readonly string[], sinceMs: number, untilMs?: number, points = POINTS): Promise<Curve[]> {
  const found: Curve[] = []
  for (let at = 0; at < dropIds.length; at += AT_ONCE) {
    const query = {
      drop_ids: dropIds.slice(at, at + AT_ONCE).join(','), since_ms: Math.max(0, Math.floor(sinceMs)), points,
      ...(untilMs === undefined ? {} : { until_ms: Math.floor(untilMs) }),
    }
    found.push(...(await answer(api.GET('/v1/admin/curves', { params: { query } }))).curves)
  }
  return found
}

export function sumOf(curves: readonly Curve[], side: Side): [number, number][] {
  const changes: [number, number][] = []
  for (const curve of curves) {
    let before = 0
    for (const point of curve.points) {
      changes.push([point.at_ms, point[side] - before])
      before = point[side]
    }
  }
  changes.sort((one, other) => one[0] - other[0])
  const found: [number, number][] = []
  let sum = 0
  for (const [at, change] of changes) {
    sum += change
    if (found.at(-1)?.[0] === at) found[found.length - 1] = [at, sum]
    else found.push([at, sum])
  }
  return found
}

/** When a drop first had nothing left although it had sold; null: never in this curve. */
export function soldOutAt(curve: Curve): number | null {
  const at = curve.points.findIndex((point, place) => point.remaining === 0 && place > 0 && (curve.points[place - 1]?.remaining ?? 0) > 0)
  return at < 0 ? null : (curve.points[at]?.at_ms ?? null)
}
