/** A model of the service that sells one drop: an attempt with a key happens once. */

import type { Answer } from '../../core/answers.ts'
import type { Attempt, Order, Reservation } from '../../core/buying/shop.ts'

export const HOLD_MS = 300_000

export interface Kept {
  readonly key: string
  readonly id: string
  readonly quantity: number
  status: 'held' | 'sold' | 'released' | 'expired'
}

export class Engine {
  readonly reservations: Kept[] = []
  attempts = 0

  constructor(
    public stock: number,
    readonly limit: number,
    private readonly now: () => number,
  ) {}

  reserve({ key, quantity, dropId }: Attempt): Answer<Reservation> {
    this.attempts += 1
    const known = this.reservations.find((one) => one.key === key)
    if (known !== undefined) {
      if (known.quantity !== quantity) return refusal(422, 'idempotency_conflict')
      return good(200, this.view(known, dropId))
    }
    const mine = this.active().reduce((sum, one) => sum + one.quantity, 0)
    if (mine + quantity > this.limit) return refusal(403, 'over_limit')
    if (quantity > this.stock) return refusal(409, 'sold_out')
    this.stock -= quantity
    const made: Kept = { key, id: `r${this.reservations.length + 1}`, quantity, status: 'held' }
    this.reservations.push(made)
    return good(201, this.view(made, dropId))
  }

  find(id: string): Kept | undefined {
    return this.reservations.find((one) => one.id === id)
  }

  /** Held or sold. */
  active(): Kept[] {
    return this.reservations.filter((one) => one.status === 'held' || one.status === 'sold')
  }

  look(id: string): Answer<Reservation> {
    const found = this.find(id)
    return found ? good(200, this.view(found, 'd1')) : refusal(404, 'unknown_reservation')
  }

  view(one: Kept, dropId: string): Reservation {
    return {
      reservation_id: one.id,
      drop_id: dropId,
      status: one.status,
      quantity: one.quantity,
      amount_fen: one.quantity * 100,
      expires_ms: this.now() + HOLD_MS,
    }
  }
}

export function good<T>(status: number, body: T): Answer<T> {
  return { kind: 'good', status, body }
}

export function refusal<T>(
  status: number,
  code: string,
  more: Partial<Record<string, number>> = {},
): Answer<T> {
  const problem = { type: `/docs#${code}`, title: code, status, code, ...more }
  return { kind: 'problem', status, problem, waitMs: status >= 500 || status === 429 ? 1000 : 0 }
}

/** An order with what a test wants to say of it. */
export function orderOf(reservation: Reservation, more: Partial<Order> = {}): Order {
  return {
    order_id: reservation.reservation_id,
    reservation_id: reservation.reservation_id,
    drop_id: reservation.drop_id,
    room_id: null,
    status: reservation.status,
    quantity: reservation.quantity,
    price_fen: 100,
    amount_fen: reservation.amount_fen,
    expires_ms: reservation.expires_ms,
    created_ms: 0,
    updated_ms: 0,
    payment: 'none',
    refunds: [],
    stage: null,
    parcels: [],
    cases: [],
    ...more,
  } as Order
}
