/** Where a buyer is with a line: one phase, which has one next action. No I/O. */

import type { Problem } from '../answers.ts'
import type { Schemas } from '../api.ts'
import type { KnownLine } from './known.ts'

export type PublicLine = Schemas['PublicLine']
export type MyPlace = Schemas['MyPlace']

/** What is known of a line, and of this buyer's place in it. */
export interface LineSeen {
  /** Null: nobody has said yet whether there is one. */
  readonly hasLine: boolean | null
  readonly line: PublicLine | null
  /** Null: there is none, or it is not known yet. */
  readonly place: MyPlace | null
  readonly isPlaceKnown: boolean
  /** A deed whose end is not known yet. */
  readonly doing: 'join' | 'leave' | null
  /** Why the last deed was refused. */
  readonly problem: Problem | null
  /** No answer for a while: what is shown may be old. */
  readonly isStale: boolean
}

export type Phase =
  | 'loading'
  /** Nobody needs to wait: buy as without a line. */
  | 'none'
  | 'join'
  | 'waiting'
  | 'turn'
  | 'held'
  | 'bought'
  | 'missed'
  | 'left'
  | 'gone'

const LIVE = new Set(['waiting', 'turn', 'held'])

/** `units`: what this buyer holds or has bought of the drop, as far as the phone knows. */
export function phaseOf(seen: LineSeen, known: KnownLine, units: number): Phase {
  const { hasLine, line, place, isPlaceKnown, isStale } = seen
  // Nobody answers: the service itself refuses who buys out of turn.
  if (hasLine === null) return isStale ? 'none' : 'loading'
  if (!hasLine || line === null) return 'none'
  if (place === null) {
    if (isFree(line)) return 'none'
    if (!isPlaceKnown) return 'loading'
    return line.state === 'gone' ? 'gone' : 'join'
  }
  const { standing } = place
  if (!LIVE.has(standing) && isFree(line)) return 'none'
  if (standing === 'turn') return isUsed(place, known) ? 'bought' : 'turn'
  if (standing === 'held' || standing === 'bought') return standing
  // In a turn people buy by themselves: a turn that is over may have been used.
  if (units > 0 && line.mode === 'turns' && standing !== 'waiting') return 'bought'
  if (line.state === 'gone') return 'gone'
  return standing
}

/** A waitlist that nobody waits in, while units can be had. */
export function isFree(line: PublicLine): boolean {
  return line.mode === 'waitlist' && line.available > 0 && line.serving >= line.people + line.left
}

/** Whether a unit was bought in the turn that lives now. */
export function isUsed({ turn }: MyPlace, { usedTurn }: KnownLine): boolean {
  return turn !== null && turn.since_ms === usedTurn
}

/** People who wait now. */
export function waitingIn(line: PublicLine): number {
  return Math.max(0, Math.min(line.people, line.people + line.left - line.serving))
}

/** Whether the list of a draw is open: `server_ms` is a clock of the service. */
export function isListOpen(line: PublicLine, serverMs: number): boolean {
  return line.mode === 'draw' && line.state === 'gathering' && serverMs < line.opens_ms
}

export type Likelihood = 'sure' | 'likely' | 'even' | 'unlikely' | 'hardly'

const LEAST: readonly (readonly [number, Likelihood])[] = [
  [0.95, 'sure'],
  [0.6, 'likely'],
  [0.3, 'even'],
  [0.08, 'unlikely'],
]

/** A chance in words; the number stands beside it. */
export function likelihood(chance: number): Likelihood {
  return LEAST.find(([least]) => chance >= least)?.[1] ?? 'hardly'
}

/** A chance as a number: `42`; `<1` for nearly none, and never more than `99`, as it is a guess. */
export function percent(chance: number): string {
  return chance < 0.01 ? '<1' : String(Math.min(99, Math.round(chance * 100)))
}
