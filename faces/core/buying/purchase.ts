/**
 * One buyer buys one drop: idle → sending → held, or a refusal; confirming while nobody knows.
 *
 * It never says "held" without an answer that says so, and never "refused" while an attempt without
 * an answer may still arrive: then it asks again with the same key, which can buy only once. The
 * key is stored before anything is sent, so a killed app goes on where it was.
 */

import type { Problem } from '../answers.ts'
import { RETRY, backoffMs } from '../backoff.ts'
import { Cell, type Watched } from '../cell.ts'
import { newKey } from '../ids.ts'
import type { Platform } from '../platform.ts'
import { problemOf } from '../problems/problems.ts'
import type { Record, Records } from './records.ts'
import type { Reservation, Shop } from './shop.ts'
import { type Verdict, judge } from './verdicts.ts'

export type PurchaseState =
  | { readonly step: 'idle' }
  /** `problem` says what it waits for, if it waits. */
  | { readonly step: 'sending'; readonly problem: Problem | null }
  | { readonly step: 'confirming'; readonly problem: Problem | null }
  | { readonly step: 'held'; readonly reservation: Reservation }
  /** Sold, released or expired: this purchase is over. */
  | { readonly step: 'ended'; readonly reservation: Reservation }
  | { readonly step: 'refused'; readonly problem: Problem }

export interface PurchasePorts {
  readonly platform: Pick<Platform, 'timers' | 'visibility' | 'chance'>
  readonly shop: Shop
  readonly records: Records
}

export const LATE_MS = 15_000 // an attempt without an answer may still arrive until then
const STALE_MS = 600_000 // after this, a purchase that nobody saw the end of is only looked up
const SOON_MS = 3_000 // a sale that opens within this is waited for
const JITTER_MS = 150
const BUSY_TRIES = 6 // while nothing is unknown
const FIXES = 3 // logins, tickets and early attempts of one tap

export class Purchase {
  private readonly cell = new Cell<PurchaseState>({ step: 'idle' })
  private isRunning = false
  private isStopped = false
  private ticket: string | null = null
  private askedForTicket = false
  private wake: () => void = () => {}

  constructor(
    readonly dropId: string,
    private readonly ports: PurchasePorts,
    /** Whether the drop is known to need a ticket. */
    private readonly needsTicket: () => boolean = () => false,
  ) {}

  get state(): Watched<PurchaseState> {
    return this.cell
  }

  /** False: a purchase runs already, or a hold is there. Decided at once: the second tap is lost. */
  tap(quantity: number): boolean {
    if (this.isRunning || this.cell.get().step === 'held') return false
    const record = this.take(quantity)
    this.ports.records.put(this.dropId, record) // before anything is sent
    this.begin({ step: 'sending', problem: null }, () => this.insist(record))
    return true
  }

  /** Go on after a start of the app. */
  restore(): void {
    const record = this.ports.records.get(this.dropId)
    if (record === null || this.isRunning || this.cell.get().step !== 'idle') return
    const now = this.ports.platform.timers.wall()
    const { reservationId } = record
    this.begin({ step: 'confirming', problem: null }, () => {
      if (reservationId !== null) return this.lookAt(reservationId)
      if (now - record.begunMs > STALE_MS) return this.lookForHold()
      // It may have been sent just before the app was killed.
      return this.insist({ ...record, openUntilMs: now + LATE_MS })
    })
  }

  /** The hold has ended, or changed: the payment of it says so. */
  update(reservation: Reservation): void {
    const state = this.cell.get()
    if (state.step !== 'held' && state.step !== 'ended') return
    if (state.reservation.reservation_id === reservation.reservation_id) this.show(reservation)
  }

  /** Back to idle, after a refusal or an end. */
  reset(): void {
    const { step } = this.cell.get()
    if (step === 'refused' || step === 'ended') this.cell.set({ step: 'idle' })
  }

  /** The app was shown again: do not wait any longer. */
  hurry(): void {
    this.wake()
  }

  stop(): void {
    this.isStopped = true
    this.wake()
  }

  private begin(state: PurchaseState, work: () => Promise<void>): void {
    this.isRunning = true
    this.cell.set(state)
    void work().finally(() => {
      this.isRunning = false
    })
  }

  /** The record of a new tap. A purchase that nobody saw the end of keeps its key. */
  private take(quantity: number): Record {
    const { timers, chance } = this.ports.platform
    const known = this.ports.records.get(this.dropId)
    const begunMs = timers.wall()
    if (known === null || known.reservationId !== null) {
      const key = newKey(begunMs, chance)
      return { key, quantity, earlier: [], begunMs, openUntilMs: 0, reservationId: null }
    }
    const earlier = [...new Set([...known.earlier, known.quantity])].filter((n) => n !== quantity)
    return { ...known, quantity, earlier, begunMs, openUntilMs: begunMs + LATE_MS }
  }

  /** Ask until there is an answer. */
  private async insist(first: Record): Promise<void> {
    let record = first
    let busy = 0
    let fixes = 0
    for (let number = 1; !this.isStopped; number += 1) {
      const wasOpen = this.isOpen(record) // before this attempt was sent
      const verdict = await this.attempt(record)
      if (this.isStopped) return
      switch (verdict.kind) {
        case 'reserved':
          this.keep({ ...record, reservationId: verdict.reservation.reservation_id })
          this.show(verdict.reservation)
          return
        case 'unknown':
          record = this.keep({ ...record, openUntilMs: this.now() + LATE_MS })
          this.cell.set({ step: 'confirming', problem: verdict.problem })
          await this.wait(number, verdict.waitMs)
          continue
        case 'busy':
          busy += 1
          if (!wasOpen && busy >= BUSY_TRIES) break
          this.cell.set({ step: wasOpen ? 'confirming' : 'sending', problem: verdict.problem })
          await this.wait(busy, verdict.waitMs)
          continue
        case 'early':
          fixes += 1
          if (verdict.waitMs > SOON_MS || fixes > FIXES) break
          this.cell.set({ step: wasOpen ? 'confirming' : 'sending', problem: verdict.problem })
          await this.sleep(verdict.waitMs + JITTER_MS * this.ports.platform.chance())
          continue
        case 'log_in':
          fixes += 1
          if ((await this.ports.shop.logIn()) && fixes <= FIXES) continue
          break
        case 'ticket':
          fixes += 1
          this.ticket = null
          if (fixes <= FIXES) continue
          break
        case 'conflict': {
          // An attempt with another quantity has arrived under this key: ask for that one.
          const [quantity, ...earlier] = record.earlier
          if (quantity === undefined) break
          record = this.keep({ ...record, quantity, earlier })
          continue
        }
        case 'refused':
          break
      }
      if (!wasOpen) {
        this.ports.records.remove(this.dropId)
        this.cell.set({ step: 'refused', problem: verdict.problem })
        return
      }
      // An earlier attempt may still arrive and be carried out. Ask once more after that.
      this.cell.set({ step: 'confirming', problem: verdict.problem })
      await this.sleep(Math.min(LATE_MS, Math.max(1, record.openUntilMs - this.now())))
    }
  }

  private async attempt(record: Record): Promise<Verdict> {
    const { shop } = this.ports
    if (this.ticket === null && this.wantsTicket) {
      const issued = await shop.ticket(this.dropId)
      if (issued.kind === 'lost') {
        // No attempt went out: what was unknown before still is, and nothing else.
        return { kind: 'busy', problem: problemOf('overloaded', 503), waitMs: 0 }
      }
      if (issued.kind === 'problem') {
        const verdict = judge(issued)
        if (verdict.kind !== 'unknown') return verdict
        return { kind: 'busy', problem: issued.problem, waitMs: issued.waitMs }
      }
      this.ticket = issued.body.ticket
    }
    const { key, quantity } = record
    const attempt = { dropId: this.dropId, key, quantity, ticket: this.ticket }
    const verdict = judge(await shop.reserve(attempt))
    if (verdict.kind === 'ticket') this.askedForTicket = true
    return verdict
  }

  private get wantsTicket(): boolean {
    return this.askedForTicket || this.needsTicket()
  }

  /** Whether an attempt of which we never heard has made a hold. It is too old to send it again. */
  private async lookForHold(): Promise<void> {
    for (let number = 1; !this.isStopped; number += 1) {
      const answer = await this.ports.shop.findHold(this.dropId)
      if (this.isStopped) return
      if (answer.kind === 'good') {
        const { found } = answer.body
        const record = this.ports.records.get(this.dropId)
        if (found !== null && record !== null) {
          this.keep({ ...record, reservationId: found.reservation_id })
          this.show(found)
        } else {
          this.ports.records.remove(this.dropId)
          this.cell.set({ step: 'idle' })
        }
        return
      }
      if (answer.kind === 'problem' && answer.status === 401) await this.ports.shop.logIn()
      await this.wait(number, answer.kind === 'problem' ? answer.waitMs : 0)
    }
  }

  private async lookAt(reservationId: string): Promise<void> {
    for (let number = 1; !this.isStopped; number += 1) {
      const answer = await this.ports.shop.reservation(reservationId)
      if (this.isStopped) return
      if (answer.kind === 'good') {
        this.show(answer.body)
        return
      }
      if (answer.kind === 'problem' && answer.problem.code === 'unknown_reservation') {
        this.ports.records.remove(this.dropId)
        this.cell.set({ step: 'idle' })
        return
      }
      if (answer.kind === 'problem' && answer.status === 401) await this.ports.shop.logIn()
      await this.wait(number, answer.kind === 'problem' ? answer.waitMs : 0)
    }
  }

  private show(reservation: Reservation): void {
    if (reservation.status === 'held') {
      this.cell.set({ step: 'held', reservation })
    } else {
      this.ports.records.remove(this.dropId)
      this.cell.set({ step: 'ended', reservation })
    }
  }

  private isOpen(record: Record): boolean {
    return record.openUntilMs > this.now()
  }

  private now(): number {
    return this.ports.platform.timers.wall()
  }

  private keep(record: Record): Record {
    this.ports.records.put(this.dropId, record)
    return record
  }

  private wait(number: number, atLeastMs: number): Promise<void> {
    return this.sleep(backoffMs(RETRY, number, this.ports.platform.chance, atLeastMs))
  }

  /** Ends early when the app is shown again. */
  private sleep(ms: number): Promise<void> {
    return new Promise((resume) => {
      const { timers, visibility } = this.ports.platform
      const end = (): void => {
        cancel()
        unwatch()
        this.wake = () => {}
        resume()
      }
      const cancel = timers.after(ms, end)
      const unwatch = visibility.onShow(end)
      this.wake = end
    })
  }
}
