/** Who the buyer is: a silent login, one at a time, because a login code works once. */

import type { Answer, Problem } from './answers.ts'
import type { Api, Schemas } from './api.ts'
import type { Storage, Timers } from './platform.ts'

export type LoggedIn = Schemas['Session']
export type Credentials = Schemas['NewSession']

/** A new code of the provider; null if it gave none. */
export type Introduce = () => Promise<Credentials | null>

const NAME = 'session'
const EARLY_MS = 60_000 // a token that ends within this is renewed first

export class Session {
  private known: LoggedIn | null
  private buyer: string | null
  private asking: Promise<boolean> | null = null
  private refusal: Problem | null = null

  constructor(
    private readonly storage: Storage,
    private readonly timers: Timers,
    private readonly introduce: Introduce,
  ) {
    this.known = this.stored()
    this.buyer = this.known?.buyer_id ?? null
  }

  /** Null before a login, and after the token's end. */
  token(): string | null {
    if (this.known === null || this.known.expires_ms - EARLY_MS < this.timers.wall()) return null
    return this.known.token
  }

  /** Of the last login, also while a new one is under way. */
  buyerId(): string | null {
    return this.buyer
  }

  /** Why the last login did not work, if the service has said it. */
  problem(): Problem | null {
    return this.refusal
  }

  /** Whether there is a token now. Callers at the same time share one login. */
  logIn(api: Api): Promise<boolean> {
    this.asking ??= this.ask(api).finally(() => {
      this.asking = null
    })
    return this.asking
  }

  /** The service refused the token: forget it. */
  drop(token: string | null): void {
    if (token !== null && this.known?.token === token) {
      this.known = null
      this.storage.remove(NAME)
    }
  }

  private async ask(api: Api): Promise<boolean> {
    this.refusal = null
    const credentials = await this.introduce()
    if (credentials === null) return false
    const answer: Answer<LoggedIn> = await api.ask('post', '/v1/sessions', {
      body: credentials,
      priority: 'buy',
    })
    if (answer.kind === 'problem') this.refusal = answer.problem
    if (answer.kind !== 'good') return false
    this.known = answer.body
    this.buyer = answer.body.buyer_id
    try {
      this.storage.write(NAME, JSON.stringify(answer.body))
    } catch {
      // The next start logs in again.
    }
    return true
  }

  private stored(): LoggedIn | null {
    try {
      const found = JSON.parse(this.storage.read(NAME) ?? 'null') as LoggedIn | null
      return found !== null && typeof found.token === 'string' ? found : null
    } catch {
      return null
    }
  }
}
