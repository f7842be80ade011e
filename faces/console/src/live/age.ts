/** How old what is shown is. */

import { feed } from './feed.ts'

export interface Part {
  readonly age_ms?: number | null
  readonly fault?: string
}

export const STALE_MS = 4_000

/** Milliseconds since the figures were true; null: they were never known. */
export function ageOf(part: Part | null | undefined, nowMs: number): number | null {
  if (!part || part.age_ms === null || part.age_ms === undefined) return null
  return part.age_ms + Math.max(0, nowMs - feed.arrivedAt)
}

export function isStale(part: Part | null | undefined, nowMs: number): boolean {
  if (!part) return false
  const age = ageOf(part, nowMs)
  return (part.fault ?? '') !== '' || (age !== null && age > STALE_MS)
}
