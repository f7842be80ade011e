/** Keys that a client invents. */

import type { Chance } from './platform.ts'

const LETTERS = 'abcdefghijklmnopqrstuvwxyz0123456789'

/**
 * An idempotency key: 24 letters and digits. It belongs to one buyer and one drop, so it only has
 * to differ from the buyer's own earlier keys; the time makes sure of that on a poor `chance`.
 */
export function newKey(wallMs: number, chance: Chance): string {
  let text = Math.floor(wallMs).toString(36)
  while (text.length < 24) text += LETTERS[Math.floor(chance() * LETTERS.length)] ?? 'a'
  return text
}
