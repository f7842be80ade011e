/**
 * Sends requests, at most ten at once: WeChat refuses the eleventh.
 *
 * Some slots are kept for buying, so that pictures and polls never delay a purchase. A request
 * without an answer in time counts as lost; hiding the app interrupts requests in the same way.
 */

import type { Cancel, Http, HttpAnswer, HttpRequest, Stop, Timers } from './platform.ts'

export type Priority = 'buy' | 'show' | 'background'

interface Waiting {
  readonly request: HttpRequest
  readonly timeoutMs: number
  readonly done: (answer: HttpAnswer | null) => void
  readonly stop: Stop | undefined
}

export interface Slots {
  readonly all: number
  readonly kept: number // of them, for buying
  readonly background: number // at most, of the others
}

export const SLOTS: Slots = { all: 10, kept: 3, background: 4 }

export class RequestQueue {
  private readonly waiting: Record<Priority, Waiting[]> = { buy: [], show: [], background: [] }
  private readonly flying: Record<Priority, number> = { buy: 0, show: 0, background: 0 }

  constructor(
    private readonly http: Http,
    private readonly timers: Timers,
    private readonly slots: Slots = SLOTS,
  ) {}

  /**
   * `timeoutMs` counts from the moment when the request leaves. Null: lost, or stopped; a request
   * that is stopped while it waits for a slot never leaves.
   */
  send(
    request: HttpRequest,
    priority: Priority,
    timeoutMs: number,
    stop?: Stop,
  ): Promise<HttpAnswer | null> {
    return new Promise((done) => {
      this.waiting[priority].push({ request, timeoutMs, done, stop })
      this.fill()
    })
  }

  /** Requests that have left and have no answer yet. */
  get inFlight(): number {
    return this.flying.buy + this.flying.show + this.flying.background
  }

  private fill(): void {
    for (const priority of ['buy', 'show', 'background'] as const) {
      while (this.hasRoom(priority)) {
        const next = this.waiting[priority].shift()
        if (next === undefined) break
        if (next.stop?.isStopped()) next.done(null)
        else this.launch(next, priority)
      }
    }
  }

  private hasRoom(priority: Priority): boolean {
    const others = this.flying.show + this.flying.background
    if (this.inFlight >= this.slots.all) return false
    if (priority === 'buy') return true
    if (others >= this.slots.all - this.slots.kept) return false
    return priority === 'show' || this.flying.background < this.slots.background
  }

  private launch(next: Waiting, priority: Priority): void {
    this.flying[priority] += 1
    let open = true
    let stopWatch: Cancel = () => {}
    let forget: Cancel = () => {}
    const finish = (answer: HttpAnswer | null): void => {
      if (!open) return // the answer of a request that we gave up
      open = false
      stopWatch()
      forget()
      this.flying[priority] -= 1
      next.done(answer)
      this.fill()
    }
    const sent = this.http.send(next.request)
    const giveUp = (): void => {
      finish(null)
      sent.cancel()
    }
    stopWatch = this.timers.after(next.timeoutMs, giveUp)
    if (next.stop !== undefined) forget = next.stop.onStop(giveUp)
    sent.answer.then(finish, () => finish(null))
  }
}
