/** How long a challenge takes: what `python -m benchmarks.challenge` runs in Node and Chromium. */

import { type Challenge, solve } from './altcha.ts'

interface Timed {
  readonly altcha: string | null
  readonly tries: number
  readonly ms: number
}

/** `now` rises in milliseconds. */
export async function time(challenge: Challenge, now: () => number): Promise<Timed> {
  let counted = 0
  const began = now()
  const altcha = await solve(challenge, {
    now,
    pause: () => Promise.resolve(),
    wanted: () => true,
    solved: (counter) => (counted = counter + 1),
  })
  return { altcha, tries: counted, ms: now() - began }
}
