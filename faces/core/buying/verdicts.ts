/** What an answer to an attempt means for the buyer, and what to do about it. No I/O. */

import type { Answer, Lost, Problem, Refused } from '../answers.ts'
import { problemOf } from '../problems/problems.ts'
import type { Reservation } from './shop.ts'

export type Verdict =
  | { readonly kind: 'reserved'; readonly reservation: Reservation }
  /** Carried out or not: nobody knows. Ask with the same key. */
  | { readonly kind: 'unknown'; readonly problem: Problem | null; readonly waitMs: number }
  /** Surely not carried out, and it is worth trying again. */
  | { readonly kind: 'busy'; readonly problem: Problem; readonly waitMs: number }
  | { readonly kind: 'log_in'; readonly problem: Problem }
  | { readonly kind: 'ticket'; readonly problem: Problem }
  | { readonly kind: 'early'; readonly problem: Problem; readonly waitMs: number }
  | { readonly kind: 'conflict'; readonly problem: Problem }
  | { readonly kind: 'refused'; readonly problem: Problem }

// A 5xx that promises that nothing was done. Any other leaves the outcome open.
const NOTHING_DONE = new Set([
  'overloaded',
  'engine_refused',
  'books_broken',
  'fenced',
  'log_too_new',
  'store_unavailable',
])
const TICKETS = new Set(['ticket_required', 'ticket_invalid', 'ticket_used'])

export function judge(answer: Answer<Reservation>): Verdict {
  if (answer.kind === 'lost') return { kind: 'unknown', problem: null, waitMs: 0 }
  if (answer.kind === 'good') {
    // 200 and 201 only: another status promises nothing.
    const isReserved = answer.status === 200 || answer.status === 201
    return isReserved && typeof answer.body.reservation_id === 'string'
      ? { kind: 'reserved', reservation: answer.body }
      : { kind: 'unknown', problem: null, waitMs: 0 }
  }
  const { problem, status, waitMs } = answer
  const { code } = problem
  if (status >= 500) {
    return NOTHING_DONE.has(code)
      ? { kind: 'busy', problem, waitMs }
      : { kind: 'unknown', problem, waitMs }
  }
  if (status === 401) return { kind: 'log_in', problem }
  if (status === 408 || status === 429) return { kind: 'busy', problem, waitMs }
  if (TICKETS.has(code)) return { kind: 'ticket', problem }
  if (code === 'idempotency_conflict') return { kind: 'conflict', problem }
  if (code === 'not_open' && problem.opens_ms != null && problem.server_ms != null) {
    return { kind: 'early', problem, waitMs: Math.max(0, problem.opens_ms - problem.server_ms) }
  }
  return { kind: 'refused', problem }
}

/** What it means that no ticket came, and so no attempt was sent. */
export function withoutAttempt(answer: Refused | Lost): Verdict {
  if (answer.kind === 'lost') {
    return { kind: 'busy', problem: problemOf('overloaded', 503), waitMs: 0 }
  }
  const verdict = judge(answer)
  if (verdict.kind !== 'unknown') return verdict
  return { kind: 'busy', problem: answer.problem, waitMs: answer.waitMs }
}
