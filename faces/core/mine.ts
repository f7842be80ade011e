/** What this buyer has: holds, limits, orders, money on its way back. Asked once for all screens. */

import type { Problem } from './answers.ts'
import type { Api, Schemas } from './api.ts'
import { Cell, type Watched } from './cell.ts'
import type { Timers } from './platform.ts'

export type Overview = Schemas['Overview']

export interface MineState {
  /** Null: nothing is known yet. */
  readonly overview: Overview | null
  /** The last request brought nothing; what is shown may be old. */
  readonly fault: { readonly problem: Problem | null } | null
}

export interface Left {
  /** Units that may still be reserved. */
  readonly left: number
  readonly units: number
  readonly isBarred: boolean
}

const AGAIN_MS = 60_000
const NOTHING: MineState = { overview: null, fault: null }

export class Mine {
  private readonly cell = new Cell<MineState>(NOTHING)
  private askedAt = -Infinity
  private asking: Promise<void> | null = null
  private round = 0

  constructor(
    private readonly api: Pick<Api, 'ask'>,
    private readonly timers: Pick<Timers, 'elapsed'>,
  ) {}

  get state(): Watched<MineState> {
    return this.cell
  }

  /** Ask, if what is known is old: a crowd that taps at once asks nothing here. */
  want(): Promise<void> {
    if (this.timers.elapsed() - this.askedAt < AGAIN_MS) return this.asking ?? Promise.resolve()
    return this.look()
  }

  look(): Promise<void> {
    if (this.asking !== null) return this.asking
    const asking = this.ask().finally(() => {
      if (this.asking === asking) this.asking = null
    })
    this.asking = asking
    return asking
  }

  /** Somebody else has logged in. */
  forget(): void {
    this.round += 1
    this.asking = null // its answer is about somebody else
    this.askedAt = -Infinity
    this.cell.set(NOTHING)
  }

  private async ask(): Promise<void> {
    const { round } = this
    this.askedAt = this.timers.elapsed()
    const answer = await this.api.ask('get', '/v1/me/overview', { priority: 'background' })
    if (round !== this.round) return
    if (answer.kind === 'good') {
      this.cell.set({ overview: answer.body, fault: null })
    } else {
      const problem = answer.kind === 'problem' ? answer.problem : null
      this.cell.set({ ...this.cell.get(), fault: { problem } })
    }
  }
}

/** Whether something of the buyer's may change by itself: a hold, or money on its way back. */
export function isUnderWay({ overview }: MineState): boolean {
  if (overview === null) return false
  const isOver = (state: string): boolean => state === 'refunded' || state === 'failed'
  return overview.holds.length > 0 || overview.refunds.refunds.some(({ state }) => !isOver(state))
}

/** What the limit of a drop leaves; null while nobody knows. A drop without a row leaves it all. */
export function leftOf({ overview }: MineState, dropId: string, buyerLimit: number): Left | null {
  if (overview === null || overview.missing.includes('limits')) return null
  const found = overview.limits.find(({ goods }) => goods.drop_id === dropId)
  if (found === undefined) return { left: buyerLimit, units: 0, isBarred: false }
  return { left: found.left, units: found.units, isBarred: found.barred }
}

/** The most that one attempt may ask for; at least one, so that the service can say why not. */
export function mostOf(buyerLimit: number, left: Left | null, remaining: number): number {
  const mine = left === null ? buyerLimit : left.left
  return Math.max(1, remaining > 0 ? Math.min(mine, remaining) : mine)
}
