/** Calls of the API. Types come from the service's own document; the cookie says who asks. */

import createClient, { type Middleware } from 'openapi-fetch'

import type { components, paths } from '../../../types/openapi.ts'

export type Schemas = components['schemas']
export type Problem = Schemas['ProblemDocument']

const TIMEOUT_MS = 10_000

/** What the page must send with each change; null before the login. */
let csrf: string | null = null
let onEnd: () => void = () => undefined

export function trust(token: string | null): void {
  csrf = token
}

/** Called when the service no longer knows this session. */
export function whenSessionEnds(call: () => void): void {
  onEnd = call
}

/** What a change was asked for with: the command line shows it. Nothing of one's own login is kept. */
export interface Asked {
  readonly body: string
  readonly key: string | null
}
const asked = new Map<string, Asked>()
const MOST_ASKED = 50

export function askedOf(method: string, path: string): Asked | undefined {
  return asked.get(`${method} ${path}`)
}

async function remember(request: Request): Promise<void> {
  const path = new URL(request.url).pathname
  const isJson = request.headers.get('Content-Type')?.startsWith('application/json') ?? false
  if (path.startsWith('/v1/operator/')) return
  const body = isJson ? await request.clone().text() : ''
  asked.delete(`${request.method} ${path}`)
  asked.set(`${request.method} ${path}`, { body, key: request.headers.get('Idempotency-Key') })
  for (const oldest of asked.keys()) {
    if (asked.size <= MOST_ASKED) break
    asked.delete(oldest)
  }
}

const proof: Middleware = {
  async onRequest({ request }) {
    if (request.method === 'GET') return request
    if (csrf !== null) request.headers.set('X-CSRF-Token', csrf)
    await remember(request)
    return request
  },
}

async function bounded(request: Request): Promise<Response> {
  return await fetch(new Request(request, { signal: AbortSignal.timeout(TIMEOUT_MS) }))
}

export const api = createClient<paths>({
  baseUrl: window.location.origin,
  credentials: 'same-origin',
  fetch: bounded,
})
api.use(proof)

/** The service has refused. `problem.code` is stable. */
export class Refused extends Error {
  constructor(readonly problem: Problem) {
    super(problem.detail ?? problem.title)
  }
}

/** No answer came, or none that can be read: what was asked for may have happened. */
export class Unanswered extends Error {}

interface Said<T> {
  readonly data?: T | undefined
  readonly error?: unknown
  readonly response: Response
}

/** openapi-fetch takes lists that cannot be changed apart, method by method: lists again. */
type Listed<T> = T extends string | number | boolean | null | undefined
  ? T
  : T extends { readonly [at: number]: infer Each; readonly length: number }
    ? readonly Listed<Each>[]
    : T extends object
      ? { [Name in keyof T]: Listed<T[Name]> }
      : T

/** The body of an answer. Throws Refused, or Unanswered. */
export async function answer<T>(asked: Promise<Said<T>>): Promise<Listed<T>> {
  let said: Said<T>
  try {
    said = await asked
  } catch (fault) {
    throw new Unanswered(fault instanceof Error ? fault.message : String(fault))
  }
  if (said.response.ok && said.data !== undefined) return said.data as Listed<T>
  const problem = said.error as Problem | undefined
  if (problem === undefined || typeof problem !== 'object' || !('code' in problem)) {
    throw new Unanswered(`HTTP ${said.response.status}`)
  }
  if (said.response.status === 401) onEnd()
  throw new Refused(problem)
}

/** A key for one intention: all attempts of it carry the same one. */
export function newKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) =>
    byte.toString(16).padStart(2, '0'),
  ).join('')
}
