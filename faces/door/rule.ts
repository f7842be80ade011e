/**
 * When somebody at the door goes in.
 *
 * Around an opening each visitor draws one moment and keeps it, also over a reload. So a crowd comes
 * in evenly, and nobody gains by coming again. Before the opening nobody gains by coming earlier
 * either: the places of the early are drawn by lot.
 */

import type { components } from '../types/openapi.ts'

export type Door = components['schemas']['Door']

/** What this visitor has drawn: for which opening, and when to go in, by the service's clock. */
export interface Draw {
  readonly opening: string
  readonly atMs: number
}

export interface Decision {
  readonly goesIn: boolean
  /** Null when nobody is held. */
  readonly draw: Draw | null
}

export function decide(door: Door, nowMs: number, kept: Draw | null, chance: () => number): Decision {
  if (!door.holds) return { goesIn: true, draw: null }
  const opening = openingOf(door)
  const draw =
    kept?.opening === opening ? kept : { opening, atMs: nowMs + Math.floor(chance() * door.spread_ms) }
  return { goesIn: nowMs >= draw.atMs, draw }
}

/** The openings that hold people now. Another one later is another draw. */
function openingOf({ lines }: Door): string {
  return lines.map(({ drop_id }) => drop_id).sort().join(' ')
}

export function parseDraw(text: string | null): Draw | null {
  try {
    const found: unknown = JSON.parse(text ?? 'null')
    if (typeof found !== 'object' || found === null) return null
    const { opening, atMs } = found as Record<string, unknown>
    return typeof opening === 'string' && typeof atMs === 'number' ? { opening, atMs } : null
  } catch {
    return null
  }
}
