/** What came of a request: an answer, a problem with a stable code, or nothing certain. */

import type { components } from '../types/openapi.ts'
import type { HttpAnswer } from './platform.ts'

export type Problem = components['schemas']['ProblemDocument']

export interface Good<T> {
  readonly kind: 'good'
  readonly status: number
  readonly body: T
}

export interface Refused {
  readonly kind: 'problem'
  readonly status: number
  readonly problem: Problem
  /** What the service asks to wait; 0: it asks for nothing. */
  readonly waitMs: number
}

/** No answer of the service arrived: the request may have been carried out, or not. */
export interface Lost {
  readonly kind: 'lost'
}

export type Answer<T> = Good<T> | Refused | Lost

export const LOST: Lost = { kind: 'lost' }

/** Reads an answer. What is not ours, such as the page of a proxy, counts as lost. */
export function readAnswer<T>(raw: HttpAnswer | null): Answer<T> {
  if (raw === null) return LOST
  const body = parse(raw.text)
  if (typeof body !== 'object' || body === null) return LOST
  if (raw.status >= 200 && raw.status < 300) {
    return { kind: 'good', status: raw.status, body: body as T }
  }
  const problem = body as Problem
  if (typeof problem.code !== 'string') return LOST
  return { kind: 'problem', status: raw.status, problem, waitMs: waitOf(raw, problem) }
}

function waitOf(raw: HttpAnswer, problem: Problem): number {
  const header = Number(raw.headers['retry-after'])
  const seconds = Number.isFinite(header) && header > 0 ? header : (problem.retry_after_s ?? 0)
  return Math.max(0, seconds * 1000)
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
