/**
 * Pays for one hold, and follows it until its end is known.
 *
 * A fresh prepay at each tap. What `requestPayment` says is only a hint: the service is asked until
 * the reservation is sold, or has ended; then its order says where late money went.
 */

import type { Problem } from '../answers.ts'
import { type Pace, backoffMs } from '../backoff.ts'
import { Cell, type Watched } from '../cell.ts'
import { Nap } from '../nap.ts'
import type { Platform } from '../platform.ts'
import type { Order, Reservation, Shop, Started } from './shop.ts'

/** What the platform says after it has shown the payment. */
export type Hint = 'paid' | 'cancelled' | 'failed'

/** Shows the payment to the buyer: `wx.requestPayment`, or the page of the simulated bank. */
export type RequestPayment = (started: Started) => Promise<Hint>

export type Step =
  | 'unpaid' // tap to pay
  | 'preparing'
  | 'paying' // the platform shows the payment
  | 'confirming' // the platform says paid; the service does not know it yet
  | 'sold'
  | 'ended' // released or expired: `order` says whether money came late
  | 'refunding' // money came too late; it goes back
  | 'refunded'
  | 'refund_failed' // people of the shop handle it

export interface PaymentState {
  readonly step: Step
  readonly reservation: Reservation
  readonly order: Order | null
  /** Why the last tap did not lead to a payment. */
  readonly problem: Problem | null
  readonly hint: Hint | null
  /** Sold after its hold had ended. */
  readonly isLate: boolean
}

export interface PaymentPorts {
  readonly platform: Pick<Platform, 'timers' | 'visibility' | 'chance'>
  readonly shop: Shop
  readonly requestPayment: RequestPayment
  /** Each answer about the reservation. */
  readonly onLook?: (reservation: Reservation) => void
}

export const WARN_MS = 15_000 // before the end of a hold

const QUICK: Pace = { firstMs: 800, longestMs: 3_000 } // while money may be on its way
const SLOW: Pace = { firstMs: 3_000, longestMs: 10_000 }
const OVER: readonly Step[] = ['sold', 'refunded', 'refund_failed']
const LOOKS_AFTER_END = 12 // while nothing says that money is on its way: about 100 s

export class Payment {
  private readonly cell: Cell<PaymentState>
  private isBusy = false
  private isStopped = true
  private sawEnd = false
  private looksAfterEnd = 0
  private round = 0
  private readonly nap: Nap

  constructor(
    reservation: Reservation,
    private readonly ports: PaymentPorts,
  ) {
    this.nap = new Nap(ports.platform)
    this.cell = new Cell<PaymentState>({
      step: 'unpaid',
      reservation,
      order: null,
      problem: null,
      hint: null,
      isLate: false,
    })
  }

  get state(): Watched<PaymentState> {
    return this.cell
  }

  /** Follow the reservation until `stop`. Leaving the screen never releases it. */
  start(): void {
    if (!this.isStopped) return
    this.isStopped = false
    void this.follow()
  }

  stop(): void {
    this.isStopped = true
    this.nap.wake()
  }

  /** False: a payment is being prepared or shown already, or there is nothing to pay. */
  tap(): boolean {
    const { step } = this.cell.get()
    if (this.isBusy || (step !== 'unpaid' && step !== 'confirming')) return false
    this.isBusy = true
    this.show({ step: 'preparing', problem: null, hint: null })
    void this.pay().finally(() => {
      this.isBusy = false
    })
    return true
  }

  /** Something may have happened: ask now. */
  lookNow(): void {
    this.hurry()
  }

  private async pay(): Promise<void> {
    let started = await this.ports.shop.startPayment(this.id)
    if (started.kind === 'problem' && started.status === 401 && (await this.ports.shop.logIn())) {
      started = await this.ports.shop.startPayment(this.id)
    }
    if (this.cell.get().step !== 'preparing') return // meanwhile it was sold, or has ended
    if (started.kind !== 'good') {
      const problem = started.kind === 'problem' ? started.problem : null
      this.show({ step: 'unpaid', problem })
      this.hurry()
      return
    }
    this.show({ step: 'paying' })
    const hint = await this.ports.requestPayment(started.body).catch((): Hint => 'failed')
    if (this.cell.get().step === 'paying') {
      this.show({ step: hint === 'paid' ? 'confirming' : 'unpaid', hint })
    }
    this.hurry()
  }

  /** Ask now, and often for a while. */
  private hurry(): void {
    this.round = 0
    this.looksAfterEnd = 0
    this.nap.wake()
  }

  private async follow(): Promise<void> {
    while (!this.isStopped && !OVER.includes(this.cell.get().step)) {
      await this.look()
      if (this.isStopped || OVER.includes(this.cell.get().step)) return
      if (this.sawEnd && !this.isMoneyComing() && (this.looksAfterEnd += 1) >= LOOKS_AFTER_END) {
        return
      }
      this.round += 1
      await this.sleep()
    }
  }

  private async look(): Promise<void> {
    const answer = await this.ports.shop.reservation(this.id)
    if (this.isStopped) return
    if (answer.kind === 'problem' && answer.status === 401) await this.ports.shop.logIn()
    if (answer.kind !== 'good') return // nothing new is known
    const reservation = answer.body
    this.ports.onLook?.(reservation)
    if (reservation.status === 'sold') {
      this.show({ step: 'sold', reservation, problem: null, isLate: this.sawEnd })
    } else if (reservation.status === 'held') {
      this.show({ reservation })
    } else {
      this.sawEnd = true
      this.show({ reservation })
      await this.lookAtOrder(reservation)
    }
  }

  /** The hold is over without a sale: late money may come, and goes back. */
  private async lookAtOrder(reservation: Reservation): Promise<void> {
    const answer = await this.ports.shop.order(reservation.reservation_id)
    if (this.isStopped) return
    const order = answer.kind === 'good' ? answer.body : this.cell.get().order
    if (this.cell.get().step === 'paying') {
      this.show({ order }) // the platform still shows the payment
      return
    }
    this.show({ order, step: stepOf(order) })
  }

  private isMoneyComing(): boolean {
    const { step, order, hint } = this.cell.get()
    return step === 'paying' || step === 'refunding' || hint === 'paid' || order?.payment === 'open'
  }

  private get id(): string {
    return this.cell.get().reservation.reservation_id
  }

  private sleep(): Promise<void> {
    const isQuick = this.cell.get().hint === 'paid' || this.cell.get().step === 'paying'
    return this.nap.sleep(
      backoffMs(isQuick ? QUICK : SLOW, this.round, this.ports.platform.chance),
    )
  }

  private show(change: Partial<PaymentState>): void {
    this.cell.set({ ...this.cell.get(), ...change })
  }
}

function stepOf(order: Order | null): Step {
  const refunds = order?.refunds ?? []
  if (refunds.length === 0) return 'ended'
  if (refunds.some((refund) => refund.state === 'failed')) return 'refund_failed'
  return refunds.every((refund) => refund.state === 'refunded') ? 'refunded' : 'refunding'
}
