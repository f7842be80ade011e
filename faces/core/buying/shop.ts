/** What buying asks of the service, and how: over HTTP, in the slots kept for buying. */

import type { Answer } from '../answers.ts'
import type { Api, Schemas } from '../api.ts'
import { askSolved } from '../checks/solved.ts'
import type { Solver } from '../checks/solver.ts'
import type { Clock } from '../clock.ts'
import type { Stop, Timers } from '../platform.ts'

export type HoldState = Schemas['HoldState']
export type Started = Schemas['PaymentStarted']
export type Order = Schemas['ShownOrder']
export type Ticket = Schemas['IssuedTicket']

/** A reservation, as its attempt or a later look shows it. */
export interface Reservation {
  readonly reservation_id: string
  readonly drop_id: string
  readonly status: HoldState
  readonly quantity: number
  readonly amount_fen: number
  readonly expires_ms: number
  readonly room_id?: string | null
}

export interface Attempt {
  readonly dropId: string
  readonly key: string
  readonly quantity: number
  readonly ticket: string | null
}

export interface Shop {
  reserve(attempt: Attempt): Promise<Answer<Reservation>>
  /** A ticket, with its challenge solved. At a stop it returns what it was answered last. */
  ticket(dropId: string, stop?: Stop): Promise<Answer<Ticket>>
  reservation(id: string): Promise<Answer<Reservation>>
  release(id: string): Promise<Answer<Reservation>>
  /** A hold of this buyer that still runs, or null. */
  findHold(dropId: string): Promise<Answer<{ readonly found: Reservation | null }>>
  startPayment(id: string): Promise<Answer<Started>>
  order(id: string): Promise<Answer<Order>>
  /** Whether there is a token now. */
  logIn(): Promise<boolean>
}

export class HttpShop implements Shop {
  constructor(
    private readonly api: Api,
    private readonly clock: Clock,
    private readonly timers: Timers,
    private readonly solver: Solver,
    readonly logIn: () => Promise<boolean>,
  ) {}

  async reserve(attempt: Attempt): Promise<Answer<Reservation>> {
    const { dropId, key, quantity, ticket } = attempt
    const sentAt = this.timers.elapsed()
    const answer = await this.api.ask('post', '/v1/drops/{drop_id}/reservations', {
      path: { drop_id: dropId },
      body: ticket === null ? { quantity } : { quantity, ticket },
      key,
      priority: 'buy',
    })
    const said = answer.kind === 'good' ? answer.body : answer.kind === 'problem' && answer.problem
    if (said && typeof said.server_ms === 'number') {
      this.clock.learn(sentAt, said.server_ms, this.timers.elapsed())
    }
    return answer
  }

  ticket(dropId: string, stop?: Stop): Promise<Answer<Ticket>> {
    return askSolved((altcha) => this.askTicket(dropId, altcha), this.solver, stop)
  }

  reservation(id: string): Promise<Answer<Reservation>> {
    const path = { reservation_id: id }
    return this.api.ask('get', '/v1/reservations/{reservation_id}', { path, priority: 'buy' })
  }

  release(id: string): Promise<Answer<Reservation>> {
    const path = { reservation_id: id }
    return this.api.ask('delete', '/v1/reservations/{reservation_id}', { path, priority: 'buy' })
  }

  async findHold(dropId: string): Promise<Answer<{ found: Reservation | null }>> {
    const answer = await this.api.ask('get', '/v1/orders', { query: { limit: 20 } })
    if (answer.kind !== 'good') return answer
    const found = answer.body.orders.find(
      (order) => order.drop_id === dropId && order.status === 'held',
    )
    return { ...answer, body: { found: found ?? null } }
  }

  startPayment(id: string): Promise<Answer<Started>> {
    const path = { reservation_id: id }
    return this.api.ask('post', '/v1/reservations/{reservation_id}/payment', {
      path,
      priority: 'buy',
    })
  }

  order(id: string): Promise<Answer<Order>> {
    return this.api.ask('get', '/v1/orders/{order_id}', { path: { order_id: id } })
  }

  private askTicket(dropId: string, altcha: string | null): Promise<Answer<Ticket>> {
    return this.api.ask('post', '/v1/drops/{drop_id}/tickets', {
      path: { drop_id: dropId },
      body: altcha === null ? {} : { altcha },
      priority: 'buy',
    })
  }
}
