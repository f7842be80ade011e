/** A network between a buyer and the engine: it delays, loses and doubles, as a plan says. */

import { LOST, type Answer } from '../../core/answers.ts'
import type { Attempt, Order, Reservation, Shop, Started, Ticket } from '../../core/buying/shop.ts'
import { type Engine, good, refusal } from './engine.ts'
import type { Run, World } from './world.ts'

export interface Fate {
  /** On the way to the service, at most LATE_MS; null: it never arrives. */
  readonly thereMs: number | null
  /** It arrives twice. */
  readonly isDoubled: boolean
  /** On the way back; null: the answer is lost. */
  readonly backMs: number | null
  /** The service answers this instead of working. */
  readonly trouble: 'none' | 'overloaded' | 'outcome_unknown' | 'slow_down' | 'expired_token'
}

export const SMOOTH: Fate = { thereMs: 20, isDoubled: false, backMs: 20, trouble: 'none' }
const TIMEOUT_MS = 10_000

const STATUS = { overloaded: 503, outcome_unknown: 503, slow_down: 429, expired_token: 401 }

/** Takes the next fate for each request, then everything is smooth. */
export class Network implements Shop {
  readonly sent: Attempt[] = []
  private readonly open = new Set<() => void>()
  logins = 0
  orders = new Map<string, Order>()

  constructor(
    private readonly world: World,
    private readonly run: Run,
    private readonly engine: Engine,
    private readonly fates: Fate[],
    private readonly hasLogin = true,
    private readonly beforeSending: (attempt: Attempt) => void = () => {},
  ) {}

  reserve(attempt: Attempt): Promise<Answer<Reservation>> {
    this.beforeSending(attempt)
    this.sent.push(attempt)
    return this.carry(() => this.engine.reserve(attempt), true)
  }

  ticket(dropId: string): Promise<Answer<Ticket>> {
    return this.carry(() => good(201, { ticket: 't', drop_id: dropId, expires_ms: 0 }), false)
  }

  reservation(id: string): Promise<Answer<Reservation>> {
    return this.carry(() => this.engine.look(id), false)
  }

  release(id: string): Promise<Answer<Reservation>> {
    return this.carry(() => {
      const found = this.engine.find(id)
      if (found?.status === 'held') {
        found.status = 'released'
        this.engine.stock += found.quantity
      }
      return this.engine.look(id)
    }, false)
  }

  findHold(): Promise<Answer<{ found: Reservation | null }>> {
    return this.carry(() => {
      const found = this.engine.reservations.find((one) => one.status === 'held')
      return good(200, { found: found ? this.engine.view(found, 'd1') : null })
    }, false)
  }

  startPayment(id: string): Promise<Answer<Started>> {
    const started = { order_id: id, gateway: 'simulated', amount_fen: 100, expires_ms: 0 }
    return this.carry(() => good(201, { reservation_id: id, ...started }), false)
  }

  order(id: string): Promise<Answer<Order>> {
    return this.carry(() => {
      const order = this.orders.get(id)
      return order ? good(200, order) : refusal(404, 'unknown_order')
    }, false)
  }

  logIn(): Promise<boolean> {
    this.logins += 1
    return Promise.resolve(this.hasLogin)
  }

  /** The app was hidden: no request under way gets an answer. */
  interrupt(): void {
    for (const lose of [...this.open]) lose()
  }

  private carry<T>(work: () => Answer<T>, isHard: boolean): Promise<Answer<T>> {
    const fate = this.fates.shift() ?? SMOOTH
    return new Promise((done) => {
      let open = true
      const end = (answer: Answer<T>): void => {
        this.open.delete(lose)
        if (open && !this.run.isDead) done(answer)
        open = false
      }
      const lose = (): void => end(LOST)
      this.open.add(lose)
      this.world.after(TIMEOUT_MS, lose)
      if (fate.thereMs === null) return
      this.world.after(fate.thereMs, () => {
        const answer = this.serve(work, fate, isHard)
        if (fate.backMs !== null) this.world.after(fate.backMs, () => end(answer))
      })
    })
  }

  private serve<T>(work: () => Answer<T>, fate: Fate, isHard: boolean): Answer<T> {
    if (fate.trouble === 'none') {
      const answer = work()
      if (fate.isDoubled && isHard) work()
      return answer
    }
    // Unknown: it may have been carried out.
    if (fate.trouble === 'outcome_unknown' && isHard && (fate.thereMs ?? 0) % 2 === 0) work()
    return refusal(STATUS[fate.trouble], fate.trouble)
  }
}
