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
 * what the service asked for, and up to half of that more.
 */
export function backoffMs(pace: Pace, number: number, chance: Chance, atLeastMs = 0): number {
  const full = Math.min(pace.longestMs, pace.firstMs * 2 ** Math.min(number - 1, 20))
  const jitter = chance()
  return Math.round(Math.max(full * (0.5 + 0.5 * jitter), atLeastMs * (1 + 0.5 * jitter)))
}
