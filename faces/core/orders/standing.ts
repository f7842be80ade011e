/** Where an order is, in one word, and what happened to it, in order. No I/O. */

import type { Schemas } from '../api.ts'

type Order = Schemas['ShownOrder']
type Mine = Schemas['MyOrder']

export type OrderStanding =
  | 'held' // unpaid, and still ours
  | 'ended' // unpaid, and over
  | 'waiting' // paid
  | 'packing'
  | 'shipped'
  | 'received'
  | 'cancelled'
  | 'refunding'
  | 'refunded'

/** Of a row in a list. */
export function standingOfMine(order: Mine): OrderStanding {
  if (order.back_fen > 0 && order.back_fen >= order.amount_fen) {
    return order.refunded_fen >= order.back_fen ? 'refunded' : 'refunding'
  }
  if (order.status === 'held') return 'held'
  if (order.status !== 'sold') return 'ended'
  return order.stage ?? 'waiting'
}

export type Happening =
  | 'reserved'
  | 'packed'
  | 'shipped'
  | 'received'
  | 'case_asked'
  | 'case_over'
  | 'refund'
  | 'refunded'

export interface TimelineRow {
  readonly what: Happening
  readonly atMs: number
  readonly amountFen: number | null
}

/** What happened to an order, the newest first. */
export function timelineOf(order: Order): TimelineRow[] {
  const rows: TimelineRow[] = [row('reserved', order.created_ms)]
  for (const parcel of order.parcels) {
    if (parcel.state === 'cancelled') continue
    if (parcel.shipped_ms === null) rows.push(row('packed', parcel.created_ms))
    else rows.push(row('shipped', parcel.shipped_ms))
    if (parcel.received_ms !== null) rows.push(row('received', parcel.received_ms))
  }
  for (const one of order.cases) {
    rows.push(row('case_asked', one.created_ms, one.amount_fen))
    if (isOver(one.state)) rows.push(row('case_over', one.updated_ms))
  }
  for (const refund of order.refunds) {
    rows.push(row('refund', refund.created_ms, refund.amount_fen))
    if (refund.state === 'refunded') rows.push(row('refunded', refund.updated_ms, refund.amount_fen))
  }
  return rows.map((one, at) => ({ one, at })).sort(
    (a, b) => b.one.atMs - a.one.atMs || b.at - a.at,
  ).map(({ one }) => one)
}

/** A case that nobody can change any more. */
export function isOver(state: Schemas['CaseState']): boolean {
  return state === 'refunded' || state === 'refused' || state === 'withdrawn'
}

/** Units that the buyer may still ask money for: open and agreed cases keep theirs. */
export function unitsToAsk(order: Order): number {
  const asked = order.cases
    .filter(({ state }) => state !== 'refused' && state !== 'withdrawn')
    .reduce((sum, { units }) => sum + units, 0)
  return Math.max(0, order.quantity - asked)
}

/** Whether "ask for your money back" leads anywhere. The service has the last word. */
export function mayAsk(order: Order): boolean {
  const hasOpen = order.cases.some(({ state }) => !isOver(state))
  return order.status === 'sold' && order.stage !== 'cancelled' && !hasOpen && unitsToAsk(order) > 0
}

/** A return needs goods that are on their way, or there. */
export function mayReturn(order: Order): boolean {
  return mayAsk(order) && (order.stage === 'shipped' || order.stage === 'received')
}

function row(what: Happening, atMs: number, amountFen: number | null = null): TimelineRow {
  return { what, atMs, amountFen }
}
