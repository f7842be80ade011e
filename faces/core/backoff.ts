/** How long to wait before the next attempt: doubling, with jitter, so that a crowd spreads out. */

import type { Chance } from './platform.ts'

export interface Pace {
  readonly firstMs: number
  readonly longestMs: number
}

export const RETRY: Pace = { firstMs: 400, longestMs: 8_000 }
export const RECONNECT: Pace = { firstMs: 300, longestMs: 20_000 }

/**
 * The wait before attempt `number` (1 for the first repeat). Never less than `atLeastMs`, which is
 * what the service asked for; then the jitter is added on top.
 */
export function backoffMs(pace: Pace, number: number, chance: Chance, atLeastMs = 0): number {
  const full = Math.min(pace.longestMs, pace.firstMs * 2 ** Math.min(number - 1, 20))
  const wait = full / 2 + (full / 2) * chance()
  return Math.round(atLeastMs > 0 ? atLeastMs + (wait * Math.min(full, atLeastMs)) / full : wait)
}
