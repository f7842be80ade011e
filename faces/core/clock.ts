/**
 * The service's clock, as well as this phone can know it.
 *
 * A round trip that is answered with `server_ms` bounds the difference between the service's clock
 * and our own: the service read its clock after we sent and before we received. Several round trips
 * narrow the bounds, and the middle is the estimate. So the error is a bound, not a guess. Bounds
 * widen with time, because clocks drift. If a round trip contradicts them, our own clock has
 * stopped or jumped: we begin again from that round trip.
 */

import type { Cancel, Timers, Visibility } from './platform.ts'

const ROUND_TRIPS = 3
const DRIFT = 200e-6 // two bad quartzes
const SLACK_MS = 2 // workers of the service differ by about as much
const AGAIN_MS = 60_000
const FAILED_AGAIN_MS = 5_000

export interface Reading {
  readonly ms: number
  /** The service's clock shows `ms`, give or take this. Infinity: to be checked again. */
  readonly errorMs: number
}

interface Bounds {
  readonly low: number // of (service − elapsed)
  readonly high: number
  readonly at: number
}

/** Asks the service for its time; null if no answer came. */
export type AskTime = () => Promise<number | null>

export class Clock {
  private bounds: Bounds | null = null
  private doubted = false
  private syncing: Promise<Reading | null> | null = null

  constructor(
    private readonly timers: Timers,
    private readonly ask: AskTime,
  ) {}

  /** Null before the first answer. */
  read(): Reading | null {
    const now = this.timers.elapsed()
    const bounds = this.widened(now)
    if (bounds === null) return null
    const error = (bounds.high - bounds.low) / 2
    return { ms: now + bounds.low + error, errorMs: this.doubted ? Infinity : error }
  }

  /** Milliseconds until a time of the service, negative after it; null before the first answer. */
  until(ms: number): number | null {
    const reading = this.read()
    return reading === null ? null : ms - reading.ms
  }

  /** Learn from any answer with `server_ms`. The other two are `elapsed()` of sending, receiving. */
  learn(sentAt: number, serverMs: number, receivedAt: number): void {
    const found = {
      low: serverMs - SLACK_MS - receivedAt,
      high: serverMs + 1 + SLACK_MS - sentAt, // the service cuts its time to whole milliseconds
      at: receivedAt,
    }
    const known = this.doubted ? null : this.widened(receivedAt)
    const low = Math.max(found.low, known?.low ?? -Infinity)
    const high = Math.min(found.high, known?.high ?? Infinity)
    this.bounds = low <= high ? { low, high, at: receivedAt } : found
    this.doubted = false
  }

  /** The phone may have slept: the next answer replaces all earlier ones. */
  doubt(): void {
    this.doubted = true
  }

  /** Three round trips; at most one sync runs. Null if none was answered. */
  sync(): Promise<Reading | null> {
    this.syncing ??= this.takeTrips().finally(() => {
      this.syncing = null
    })
    return this.syncing
  }

  /** Keep the clock right: now, at each show, and every minute between. */
  keep(visibility: Visibility): Cancel {
    let stopTimer: Cancel = () => {}
    let stopped = false
    const round = (): void => {
      stopTimer()
      void this.sync().then((reading) => {
        if (stopped || !visibility.isShown()) return
        stopTimer()
        stopTimer = this.timers.after(reading === null ? FAILED_AGAIN_MS : AGAIN_MS, round)
      })
    }
    const cancels = [
      visibility.onHide(() => stopTimer()),
      visibility.onShow(() => {
        this.doubt()
        round()
      }),
    ]
    round()
    return () => {
      stopped = true
      stopTimer()
      for (const cancel of cancels) cancel()
    }
  }

  private async takeTrips(): Promise<Reading | null> {
    let answered = false
    for (let trip = 0; trip < ROUND_TRIPS; trip += 1) {
      const sentAt = this.timers.elapsed()
      const serverMs = await this.ask()
      if (serverMs === null) continue
      this.learn(sentAt, serverMs, this.timers.elapsed())
      answered = true
    }
    return answered ? this.read() : null
  }

  private widened(now: number): Bounds | null {
    if (this.bounds === null) return null
    const drift = Math.max(0, now - this.bounds.at) * DRIFT
    return { low: this.bounds.low - drift, high: this.bounds.high + drift, at: now }
  }
}

/**
 * Calls `run` when the service's clock reaches `ms`, plus up to `jitterMs`, so that not everybody
 * taps in the same millisecond. Looks at the clock again on the way: a correction counts at once.
 */
export function whenDue(
  clock: Clock,
  timers: Timers,
  ms: number,
  run: () => void,
  jitterMs = 0,
): Cancel {
  let stop: Cancel = () => {}
  const look = (): void => {
    const left = (clock.until(ms) ?? NEAR_MS * 2) + jitterMs
    if (left <= 0) run()
    else stop = timers.after(left > NEAR_MS ? Math.min(left / 2, LOOK_MS) : Math.ceil(left), look)
  }
  look()
  return () => stop()
}

const NEAR_MS = 100
const LOOK_MS = 1_000
