/**
 * One buyer buys one drop: idle → sending → held, or a refusal; confirming while nobody knows.
 *
 * It never says "held" without an answer that says so. After an attempt without an answer it asks
 * again with the same key, which can buy only once; and it says "refused" only when such a repeat,
 * sent when no earlier attempt could arrive any more, was refused. The key is stored before it is
 * sent, so a killed app goes on where it was.
 */

import type { Problem } from '../answers.ts'
import { RETRY, backoffMs } from '../backoff.ts'
import { Cell, type Watched } from '../cell.ts'
import { newKey } from '../ids.ts'
import { Nap } from '../nap.ts'
import { type Platform, Stop } from '../platform.ts'
import { problemOf } from '../problems/problems.ts'
import type { Record, Records } from './records.ts'
import type { Reservation, Shop } from './shop.ts'
import { type Verdict, judge, withoutAttempt } from './verdicts.ts'

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
  private readonly halt = new Stop()
  private closesAt = -Infinity // when the last attempt without an answer can no longer arrive
  private ticket: string | null = null
  private askedForTicket = false
  private readonly nap: Nap

  constructor(
    readonly dropId: string,
    private readonly ports: PurchasePorts,
    /** Whether the drop is known to need a ticket. */
    private readonly needsTicket: () => boolean = () => false,
  ) {
    this.nap = new Nap(ports.platform)
  }

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
      return this.insist(this.reopened(record))
    })
  }

  /** The hold has ended, or changed: the payment of it says so. */
  update(reservation: Reservation): void {
    const state = this.cell.get()
    if (state.step !== 'held' && state.step !== 'ended') return
    if (state.reservation.reservation_id === reservation.reservation_id) this.show(reservation)
  }

  /** Something may have happened to the hold: ask how it is now. */
  lookAgain(): void {
    const state = this.cell.get()
    if (state.step !== 'held' || this.isRunning) return
    this.isRunning = true
    void this.lookAt(state.reservation.reservation_id).finally(() => {
      this.isRunning = false
    })
  }

  /** Back to idle, after a refusal or an end. */
  reset(): void {
    const { step } = this.cell.get()
    if (step === 'refused' || step === 'ended') this.cell.set({ step: 'idle' })
  }

  /** The app was shown again: do not wait any longer. */
  hurry(): void {
    this.nap.wake()
  }

  stop(): void {
    this.isStopped = true
    this.halt.stop()
    this.nap.wake()
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
      return { key, quantity, earlier: [], begunMs, isOpen: false, reservationId: null }
    }
    const earlier = [...new Set([...known.earlier, known.quantity])].filter((n) => n !== quantity)
    return this.reopened({ ...known, quantity, earlier, begunMs })
  }

  /** An attempt of this record has no answer, and may still arrive for a while. */
  private reopened(record: Record): Record {
    this.closesAt = this.ports.platform.timers.elapsed() + LATE_MS
    return { ...record, isOpen: true }
  }

  /** Ask until there is an answer. */
  private async insist(first: Record): Promise<void> {
    let record = first
    let busy = 0
    let fixes = 0
    for (let number = 1; !this.isStopped; number += 1) {
      const { verdict, isFinal } = await this.attempt(record)
      if (this.isStopped) return
      if (verdict.kind === 'reserved') {
        this.keep({ ...record, reservationId: verdict.reservation.reservation_id, isOpen: false })
        this.show(verdict.reservation)
        return
      }
      const { problem } = verdict
      if (verdict.kind === 'unknown') {
        record = this.keep(this.reopened(record))
        this.cell.set({ step: 'confirming', problem })
        await this.wait(number, verdict.waitMs)
        continue
      }
      if (isFinal) record = { ...record, isOpen: false }
      this.cell.set(waiting(record, problem))
      switch (verdict.kind) {
        case 'busy':
          busy += 1
          if (!record.isOpen && busy >= BUSY_TRIES) break
          await this.wait(busy, verdict.waitMs)
          continue
        case 'log_in':
          fixes += 1
          if ((await this.ports.shop.logIn()) && fixes <= FIXES) continue
          if (!record.isOpen) break
          await this.wait(number, 0)
          continue
        case 'conflict': {
          // An attempt with another quantity has arrived under this key: ask for that one.
          const [quantity, ...earlier] = record.earlier
          if (quantity === undefined) break
          record = this.keep({ ...record, quantity, earlier, isOpen: true })
          continue
        }
        case 'early':
          if (record.isOpen) {
            await this.untilClosed()
            continue
          }
          fixes += 1
          if (verdict.waitMs > SOON_MS || fixes > FIXES) break
          await this.nap.sleep(verdict.waitMs + JITTER_MS * this.ports.platform.chance())
          continue
        case 'ticket':
          if (record.isOpen) {
            await this.untilClosed()
            continue
          }
          fixes += 1
          this.ticket = null
          if (fixes <= FIXES) continue
          break
        case 'refused':
          if (record.isOpen) {
            await this.untilClosed()
            continue
          }
      }
      this.ports.records.remove(this.dropId)
      this.cell.set({ step: 'refused', problem: problem ?? problemOf('internal_error', 500) })
      return
    }
  }

  /**
   * One attempt. `isFinal`: the engine has answered it, and no earlier attempt under this key can
   * arrive after it; so a refusal means that nothing was bought.
   */
  private async attempt(record: Record): Promise<{ verdict: Verdict; isFinal: boolean }> {
    const { shop } = this.ports
    // A repeat needs no ticket: the engine knows the key, or nothing was bought.
    if (!record.isOpen && this.ticket === null && (this.askedForTicket || this.needsTicket())) {
      const issued = await shop.ticket(this.dropId, this.halt)
      if (issued.kind === 'good') this.ticket = issued.body.ticket
      else return { verdict: withoutAttempt(issued), isFinal: true }
    }
    const { key, quantity } = record
    const ticket = record.isOpen ? null : this.ticket
    const sentAt = this.ports.platform.timers.elapsed()
    const verdict = judge(await shop.reserve({ dropId: this.dropId, key, quantity, ticket }))
    if (verdict.kind === 'ticket') this.askedForTicket = true
    const isEngines = !['unknown', 'busy', 'log_in'].includes(verdict.kind)
    return { verdict, isFinal: isEngines && sentAt >= this.closesAt }
  }

  /** An attempt without an answer may still arrive and be carried out: ask once more after that. */
  private untilClosed(): Promise<void> {
    return this.nap.sleep(Math.max(1, this.closesAt - this.ports.platform.timers.elapsed()))
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

  private keep(record: Record): Record {
    this.ports.records.put(this.dropId, record)
    return record
  }

  private wait(number: number, atLeastMs: number): Promise<void> {
    return this.nap.sleep(backoffMs(RETRY, number, this.ports.platform.chance, atLeastMs))
  }
}

function waiting(record: Record, problem: Problem | null): PurchaseState {
  return { step: record.isOpen ? 'confirming' : 'sending', problem }
}
