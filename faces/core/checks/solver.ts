/**
 * Solves challenges beside the screen: in a worker of the platform, or in slices where there is
 * none. A worker that dies or stays silent costs nothing but time: the slices take over.
 */

import type { Cancel, Stop, Timers } from '../platform.ts'
import { pause } from '../platform.ts'
import { type Challenge, solve } from './altcha.ts'

/** A worker that solves one challenge. */
export interface Worker {
  ask(challenge: Challenge): void
  end(): void
}

export interface WorkerEvents {
  /** Null: it does not know this kind of challenge. */
  solved(altcha: string | null): void
  /** It cannot work, or has died. */
  gone(): void
}

/** Starts a worker; null where the platform has none. */
export type StartWorker = (events: WorkerEvents) => Worker | null

export type Solved =
  | { readonly kind: 'solved'; readonly altcha: string }
  /** Its time is over: a new challenge is needed. */
  | { readonly kind: 'expired' }
  /** Nobody waits for it any more. */
  | { readonly kind: 'stopped' }
  /** Of a kind that this face does not know. */
  | { readonly kind: 'strange' }

const MARGIN_MS = 2_000 // of a challenge's life, for the way to the service

export class Solver {
  /** `now` is the service's clock; null while nobody knows it. */
  constructor(
    private readonly timers: Timers,
    private readonly now: () => number | null,
    private readonly startWorker: StartWorker = () => null,
  ) {}

  async solve(challenge: Challenge, stop?: Stop): Promise<Solved> {
    if (this.isLate(challenge)) return { kind: 'expired' }
    const altcha = await this.byWorker(challenge, stop)
    if (altcha !== undefined) return altcha
    return this.bySlices(challenge, stop)
  }

  /** Undefined: there is no worker, or it was of no use. */
  private byWorker(challenge: Challenge, stop?: Stop): Promise<Solved | undefined> {
    return new Promise((done) => {
      let cancels: Cancel[] = []
      let worker: Worker | null = null
      let isOver = false
      const finish = (solved: Solved | undefined): void => {
        if (isOver) return
        isOver = true
        for (const cancel of cancels) cancel()
        worker?.end()
        done(solved)
      }
      worker = this.startWorker({
        solved: (altcha) =>
          finish(altcha === null ? { kind: 'strange' } : { kind: 'solved', altcha }),
        gone: () => finish(undefined),
      })
      if (worker === null) return finish(undefined)
      if (isOver) return worker.end() // it was gone before we had it
      const left = this.leftMs(challenge)
      if (left !== null) cancels.push(this.timers.after(left, () => finish({ kind: 'expired' })))
      if (stop !== undefined) cancels.push(stop.onStop(() => finish({ kind: 'stopped' })))
      if (isOver) for (const cancel of cancels) cancel()
      else worker.ask(challenge)
    })
  }

  private async bySlices(challenge: Challenge, stop?: Stop): Promise<Solved> {
    const altcha = await solve(challenge, {
      now: () => this.timers.elapsed(),
      pause: () => pause(this.timers, 0),
      wanted: () => !this.isLate(challenge) && stop?.isStopped() !== true,
    })
    if (altcha !== null) return { kind: 'solved', altcha }
    if (stop?.isStopped()) return { kind: 'stopped' }
    return { kind: this.isLate(challenge) ? 'expired' : 'strange' }
  }

  private isLate(challenge: Challenge): boolean {
    const left = this.leftMs(challenge)
    return left !== null && left <= 0
  }

  /** Null: it has no end, or nobody knows the time. */
  private leftMs({ parameters }: Challenge): number | null {
    const now = this.now()
    const { expiresAt } = parameters
    if (now === null || expiresAt === undefined) return null
    return expiresAt * 1000 - MARGIN_MS - now
  }
}
