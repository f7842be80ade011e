/**
 * "Remind me": consent of WeChat in the tap itself, then the service's word that it will remind.
 *
 * WeChat asks for consent only directly in a tap, so the template is read before it. "Set" and
 * "cancelled" are only what the service answered; until then it is "asking".
 */

import type { Problem } from './answers.ts'
import type { Api, Schemas } from './api.ts'
import { RETRY, backoffMs } from './backoff.ts'
import { Cell, type Watched } from './cell.ts'
import type { Platform } from './platform.ts'

export type ReminderView = Schemas['ReminderView']
export type Consent = 'accepted' | 'refused' | 'failed'

export interface ReminderState {
  /** Null: not read yet, or this shop sends no reminders. */
  readonly view: ReminderView | null
  readonly isAsking: boolean
  /** WeChat did not give consent. */
  readonly consent: Consent | null
  readonly problem: Problem | null
}

export interface ReminderPorts {
  readonly platform: Pick<Platform, 'timers' | 'chance'>
  readonly api: Api
  /** Calls WeChat at once: nothing may be awaited before it. */
  readonly askConsent: (templateId: string) => Promise<Consent>
}

const TRIES = 6

export class Reminder {
  private readonly cell = new Cell<ReminderState>({
    view: null,
    isAsking: false,
    consent: null,
    problem: null,
  })
  private isStopped = false

  constructor(
    private readonly kind: 'room' | 'drop',
    private readonly targetId: string,
    private readonly ports: ReminderPorts,
  ) {}

  get state(): Watched<ReminderState> {
    return this.cell
  }

  /** Read state and template, before anybody taps. */
  async load(): Promise<void> {
    const answer = await this.call('get')
    if (!this.isStopped && answer.kind === 'good') this.show({ view: answer.body })
  }

  /** Set it, or cancel one that waits. */
  tap(): void {
    const { view, isAsking } = this.cell.get()
    if (view === null || isAsking) return
    if (view.state === 'waiting') {
      this.show({ isAsking: true, problem: null, consent: null })
      void this.insist('delete')
      return
    }
    const asked = this.ports.askConsent(view.template_id) // first: it must be in the tap
    this.show({ isAsking: true, problem: null, consent: null })
    void asked.then((consent) => {
      if (this.isStopped) return undefined
      if (consent === 'accepted') return this.insist('put')
      return this.show({ isAsking: false, consent })
    })
  }

  stop(): void {
    this.isStopped = true
  }

  private async insist(verb: 'put' | 'delete'): Promise<void> {
    const { timers, chance } = this.ports.platform
    for (let number = 1; !this.isStopped; number += 1) {
      const answer = await this.call(verb)
      if (this.isStopped) return
      if (answer.kind === 'good') {
        this.show({ view: answer.body, isAsking: false })
        return
      }
      const isFinal = answer.kind === 'problem' && answer.status < 500 && answer.status !== 429
      if (isFinal || (number >= TRIES && answer.kind === 'problem')) {
        this.show({ isAsking: false, problem: answer.problem })
        return
      }
      const atLeast = answer.kind === 'problem' ? answer.waitMs : 0
      const wait = backoffMs(RETRY, number, chance, atLeast)
      await new Promise<void>((resume) => timers.after(wait, resume))
    }
  }

  private call(verb: 'get' | 'put' | 'delete') {
    const { api } = this.ports
    return this.kind === 'room'
      ? api.ask(verb, '/v1/rooms/{room_id}/reminder', { path: { room_id: this.targetId } })
      : api.ask(verb, '/v1/drops/{drop_id}/reminder', { path: { drop_id: this.targetId } })
  }

  private show(change: Partial<ReminderState>): void {
    this.cell.set({ ...this.cell.get(), ...change })
  }
}
