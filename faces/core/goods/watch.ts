/**
 * Follows drops while a screen shows them: one request for all, often while something sells or is
 * about to open, rarely before, never while the app is hidden. It says when its numbers are old.
 */

import { type Pace, backoffMs } from '../backoff.ts'
import type { Api } from '../api.ts'
import { Cell, type Watched } from '../cell.ts'
import type { Clock } from '../clock.ts'
import type { Cancel, Platform } from '../platform.ts'
import type { Drop } from './sales.ts'

export interface WatchedDrops {
  readonly drops: Readonly<Record<string, Drop>>
  /** Ids that the service does not know. */
  readonly unknown: readonly string[]
  /** No answer for a while: what is shown may be old. */
  readonly isStale: boolean
}

export interface WatchPorts {
  readonly platform: Pick<Platform, 'timers' | 'visibility' | 'chance'>
  readonly api: Pick<Api, 'ask'>
  readonly clock: Pick<Clock, 'until'>
}

const SELLING_MS = 2_000
const WAITING_MS = 15_000
const NEAR_MS = 20_000 // an opening that is so near is watched like a sale
const STALE_MS = 8_000 // without an answer that was due
const FAILED: Pace = { firstMs: 1_000, longestMs: 8_000 }
const MAX_IDS = 50

export class DropWatch {
  private readonly cell = new Cell<WatchedDrops>({ drops: {}, unknown: [], isStale: false })
  private ids: readonly string[] = []
  private stopTimer: Cancel = () => {}
  private stopStale: Cancel | null = null
  private cancels: Cancel[] = []
  private isRunning = false
  private round = 0
  private failures = 0

  constructor(private readonly ports: WatchPorts) {}

  get state(): Watched<WatchedDrops> {
    return this.cell
  }

  /** What a list has brought already; newer than what is known. */
  learn(drops: readonly Drop[]): void {
    const found = Object.fromEntries(drops.map((drop) => [drop.drop_id, drop]))
    this.cell.set({ ...this.cell.get(), drops: { ...this.cell.get().drops, ...found } })
  }

  /** Which drops to follow, at most fifty; asks at once for those that are new. */
  follow(ids: readonly string[]): void {
    const { drops } = this.cell.get()
    this.ids = [...new Set(ids)].slice(0, MAX_IDS)
    if (!this.isRunning) return
    if (this.ids.some((id) => drops[id] === undefined)) this.ask()
    else this.plan()
  }

  start(): void {
    if (this.isRunning) return
    this.isRunning = true
    const { visibility } = this.ports.platform
    this.cancels = [
      visibility.onShow(() => this.ask()),
      visibility.onHide(() => this.halt()),
    ]
    this.ask()
  }

  stop(): void {
    this.isRunning = false
    this.halt()
    for (const cancel of this.cancels) cancel()
    this.cancels = []
  }

  /** Ask now: something may have changed. */
  ask(): void {
    this.stopTimer()
    if (!this.isRunning || this.ids.length === 0) return
    void this.look()
  }

  private halt(): void {
    this.round += 1
    this.stopTimer()
    this.wait(false)
  }

  private async look(): Promise<void> {
    const round = (this.round += 1)
    this.wait(true)
    const answer = await this.ports.api.ask('get', '/v1/drops', {
      query: { ids: this.ids.join(',') },
    })
    if (!this.isRunning || round !== this.round) return
    if (answer.kind === 'good') {
      this.failures = 0
      this.wait(false)
      const { drops, unknown } = this.cell.get()
      const found = { ...drops }
      const strange = new Set(unknown)
      for (const { drop_id, drop, code } of answer.body.drops) {
        if (drop !== null) found[drop_id] = drop
        if (code === 'unknown_drop') strange.add(drop_id)
        else strange.delete(drop_id)
      }
      this.cell.set({ drops: found, unknown: [...strange], isStale: false })
    } else {
      this.failures += 1
    }
    this.plan(answer.kind === 'problem' ? answer.waitMs : 0)
  }

  /** Whether an answer is due: the first request without one begins the wait. */
  private wait(isDue: boolean): void {
    if (!isDue) {
      this.stopStale?.()
      this.stopStale = null
    } else {
      this.stopStale ??= this.ports.platform.timers.after(STALE_MS, () =>
        this.cell.set({ ...this.cell.get(), isStale: true }),
      )
    }
  }

  private plan(atLeastMs = 0): void {
    const { timers, visibility, chance } = this.ports.platform
    this.stopTimer()
    if (!visibility.isShown()) return
    const ms =
      this.failures > 0
        ? backoffMs(FAILED, this.failures, chance, atLeastMs)
        : this.pace() * (0.9 + 0.2 * chance())
    this.stopTimer = timers.after(ms, () => this.ask())
  }

  private pace(): number {
    const { drops } = this.cell.get()
    let pace = WAITING_MS
    for (const id of this.ids) {
      const drop = drops[id]
      if (drop === undefined || drop.state === 'closed') continue
      const left = this.ports.clock.until(drop.opens_ms) ?? 0
      if (drop.state !== 'scheduled' || left < NEAR_MS) return SELLING_MS
      pace = Math.min(pace, Math.max(SELLING_MS, left - NEAR_MS))
    }
    return pace
  }
}
