/** Calls of the service, with the types of its OpenAPI document. */

import type { components, paths } from '../types/openapi.ts'
import { type Answer, readAnswer } from './answers.ts'
import type { Stop } from './platform.ts'
import type { Priority, RequestQueue } from './queue.ts'

export type Schemas = components['schemas']

type Verb = 'get' | 'post' | 'put' | 'delete'
type Operation<P extends keyof paths, V extends Verb> = NonNullable<paths[P][V]>
type Contents<R> = {
  [S in keyof R & (200 | 201 | 202)]: R[S] extends { content: { 'application/json': infer B } }
    ? B
    : never
}[keyof R & (200 | 201 | 202)]

/** The paths that take a verb. */
export type PathOf<V extends Verb> = {
  [P in keyof paths]: [Operation<P, V>] extends [never] ? never : P
}[keyof paths]

/** What a call answers when it is carried out. */
export type BodyOf<P extends keyof paths, V extends Verb> =
  Operation<P, V> extends { responses: infer R } ? Contents<R> : never

/** What a call sends. */
export type SentOf<P extends keyof paths, V extends Verb> =
  Operation<P, V> extends { requestBody?: { content: { 'application/json': infer B } } } ? B : never

export interface Call<P extends keyof paths, V extends Verb> {
  /** The parts of the path that stand in braces. */
  readonly path?: Readonly<Record<string, string>>
  readonly query?: Readonly<Record<string, string | number>>
  readonly body?: SentOf<P, V>
  /** The idempotency key. */
  readonly key?: string
  readonly priority?: Priority
  readonly timeoutMs?: number
  readonly stop?: Stop
}

const TIMEOUT_MS = 10_000

export class Api {
  /** `base` has no slash at its end; `token` is asked at each call. */
  constructor(
    private readonly queue: RequestQueue,
    readonly base: string,
    readonly token: () => string | null,
  ) {}

  async ask<V extends Verb, P extends PathOf<V>>(
    verb: V,
    path: P,
    call: Call<P, V> = {},
  ): Promise<Answer<BodyOf<P, V>>> {
    const headers: Record<string, string> = { accept: 'application/json' }
    const token = this.token()
    if (token !== null) headers['authorization'] = `Bearer ${token}`
    if (call.key !== undefined) headers['idempotency-key'] = call.key
    if (call.body !== undefined) headers['content-type'] = 'application/json'
    const request = {
      method: verb.toUpperCase(),
      url: this.base + fill(path, call.path ?? {}) + queryOf(call.query ?? {}),
      headers,
      body: call.body === undefined ? null : JSON.stringify(call.body),
    }
    const raw = await this.queue.send(
      request,
      call.priority ?? 'show',
      call.timeoutMs ?? TIMEOUT_MS,
      call.stop,
    )
    return readAnswer<BodyOf<P, V>>(raw)
  }
}

/** Puts values into the braces of a path. Throws for one that is missing. */
export function fill(path: string, values: Readonly<Record<string, string>>): string {
  return path.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = values[name]
    if (value === undefined) throw new Error(`${path} needs ${name}`)
    return encodeURIComponent(value)
  })
}

function queryOf(values: Readonly<Record<string, string | number>>): string {
  const parts = Object.entries(values).map(
    ([name, value]) => `${name}=${encodeURIComponent(String(value))}`,
  )
  return parts.length > 0 ? `?${parts.join('&')}` : ''
}
