/**
 * The buyer's private channel: on the socket of a room where one is open, else by long poll.
 *
 * A notice says a state, and may come twice: it is shown once. `read_again` means that something
 * may have been missed: then what is shown of the buyer's own things is read anew.
 */

import type { Answer } from '../answers.ts'
import { RETRY, backoffMs } from '../backoff.ts'
import { Cell, type Watched } from '../cell.ts'
import { type Cancel, type Platform, Stop } from '../platform.ts'
import type { Mine } from '../room/messages.ts'

export type Notice = Mine['events'][number]

export interface NoticePorts {
  readonly platform: Pick<Platform, 'timers' | 'visibility' | 'chance'>
  /** Waits for the next message; from `place` on. */
  readonly poll: (place: string, waitMs: number, stop: Stop) => Promise<Answer<Mine>>
  readonly isKnown: () => boolean
  readonly logIn: () => Promise<boolean>
  readonly heard: (notice: Notice) => void
  /** What is shown of reservations and refunds may be old. */
  readonly readAgain: () => void
}

const NEW = 'new'
const WAIT_MS = 20_000
const REMEMBERED = 200 // notices that are known, to show none of them twice

export class Notices {
  private readonly cell = new Cell<readonly Notice[]>([])
  private readonly told = new Set<string>()
  private here = NEW
  private wanted = 0
  private readonly carriers = new Set<object>()
  private polling: Stop | null = null
  private readonly cancels: readonly Cancel[]

  constructor(private readonly ports: NoticePorts) {
    const { visibility } = ports.platform
    this.cancels = [visibility.onShow(() => this.look()), visibility.onHide(() => this.look())]
  }

  /** Those that nobody has put away, the newest last. */
  get shown(): Watched<readonly Notice[]> {
    return this.cell
  }

  /** Where to go on: send it as `mine`. */
  get place(): string {
    return this.here
  }

  hear(message: Mine): void {
    this.here = message.place
    for (const notice of message.events) this.take(notice)
    if (message.read_again) this.ports.readAgain()
  }

  /** A screen wants to hear of notices until it calls what this returns. */
  want(): Cancel {
    this.wanted += 1
    this.look()
    let isOver = false
    return () => {
      if (isOver) return
      isOver = true
      this.wanted -= 1
      this.look()
    }
  }

  /** A socket carries the channel now, or no longer: no poll is needed beside it. */
  carry(by: object, isCarried: boolean): void {
    if (isCarried) this.carriers.add(by)
    else this.carriers.delete(by)
    this.look()
  }

  putAway(notice: Notice): void {
    this.cell.set(this.cell.get().filter((one) => one !== notice))
  }

  /** Another buyer: nothing of the last one counts. */
  forget(): void {
    this.here = NEW
    this.told.clear()
    this.cell.set([])
    this.polling?.stop()
    this.polling = null
    this.look()
  }

  stop(): void {
    for (const cancel of this.cancels) cancel()
    this.polling?.stop()
    this.polling = null
  }

  private take(notice: Notice): void {
    const name = nameOf(notice)
    if (this.told.has(name)) return
    this.told.add(name)
    const [oldest] = this.told
    if (this.told.size > REMEMBERED && oldest !== undefined) this.told.delete(oldest)
    const others = this.cell.get().filter((one) => subjectOf(one) !== subjectOf(notice))
    this.cell.set([...others, notice]) // of one thing only the newest state is shown
    this.ports.heard(notice)
  }

  private look(): void {
    const isNeeded =
      this.wanted > 0 && this.carriers.size === 0 && this.ports.platform.visibility.isShown()
    if (!isNeeded) {
      this.polling?.stop()
      this.polling = null
    } else if (this.polling === null) {
      this.polling = new Stop()
      void this.keepAsking(this.polling)
    }
  }

  private async keepAsking(stop: Stop): Promise<void> {
    for (let failures = 0; !stop.isStopped(); ) {
      const isFirst = this.here === NEW
      const answer = this.ports.isKnown()
        ? await this.ports.poll(this.here, isFirst ? 0 : WAIT_MS, stop)
        : null
      if (stop.isStopped()) return
      if (answer?.kind === 'good') {
        failures = 0
        this.hear(answer.body)
        continue
      }
      failures += 1
      if (answer?.kind === 'problem' && answer.status === 401) await this.ports.logIn()
      await this.wait(failures, answer?.kind === 'problem' ? answer.waitMs : 0, stop)
    }
  }

  private wait(number: number, atLeastMs: number, stop: Stop): Promise<void> {
    const { timers, chance } = this.ports.platform
    return new Promise((resume) => {
      const cancel = timers.after(backoffMs(RETRY, number, chance, atLeastMs), () => resume())
      stop.onStop(() => {
        cancel()
        resume()
      })
    })
  }
}

/** What a notice is about. */
export function subjectOf(notice: Notice): string {
  return 'refund' in notice
    ? `refund ${notice.refund.refund_no}`
    : `reservation ${notice.reservation.reservation_id}`
}

/** The same for one that comes twice. */
function nameOf(notice: Notice): string {
  const state = 'refund' in notice ? notice.refund.state : notice.at_ms
  return `${notice.type} ${subjectOf(notice)} ${state}`
}
