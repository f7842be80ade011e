/**
 * One buyer and one line: join, look, take the turn, leave.
 *
 * The place belongs to the buyer, so a start of the app finds it again. Each call may be repeated:
 * a lost answer is asked for once more, and a place is only what the service said. It looks as
 * often as the service asks, and never while nobody sees it.
 */

import type { Answer, Good, Refused } from '../answers.ts'
import type { Api } from '../api.ts'
import { type Pace, backoffMs } from '../backoff.ts'
import { Cell, type Watched } from '../cell.ts'
import { askSolved } from '../checks/solved.ts'
import type { Solver } from '../checks/solver.ts'
import { insist } from '../insist.ts'
import { Nap } from '../nap.ts'
import type { Platform } from '../platform.ts'
import type { Deed, KnownLines } from './known.ts'
import { type LineSeen, type MyPlace, type PublicLine, isListOpen, isUsed } from './phase.ts'

export interface LinePorts {
  readonly platform: Pick<Platform, 'timers' | 'visibility' | 'chance'>
  readonly api: Pick<Api, 'ask' | 'token'>
  readonly known: KnownLines
  readonly solver: Pick<Solver, 'solve'>
  readonly logIn: () => Promise<boolean>
}

const NOBODY: LineSeen = {
  hasLine: null,
  line: null,
  place: null,
  isPlaceKnown: false,
  doing: null,
  problem: null,
  isStale: false,
}
const NO_LINE_MS = 12_000 // it may be put in front of the drop, or open, any time
const QUIET_MS = 15_000 // nothing changes for this buyer
const OPEN_MS = 5_000 // of somebody who has no place
const NEAR_MS = 1_000
const JITTER_MS = 1_000
const HEARD_MS = 2_000
const HIDDEN_MS = 3_600_000
const STALE_AFTER = 2 // looks without an answer
const LATE_MS = 15_000 // so long a request of a killed app may still be on its way
const OLD_MS = 600_000 // after this, a deed that nobody saw the end of is not repeated
const FAILED: Pace = { firstMs: 1_000, longestMs: 10_000 }
const NO_LINE = new Set(['unknown_line', 'unknown_drop'])

export class LineVisit {
  private readonly cell = new Cell<LineSeen>(NOBODY)
  private readonly nap: Nap
  private isRunning = false
  private isStopped = false
  private isDue = false // somebody has asked for a look meanwhile
  private hasResumed = false
  private doubtUntilMs: number | null = null // "no place" may still change: somebody joined before
  private round = 0 // a look that was sent before a deed says nothing about it
  private failures = 0

  constructor(
    readonly dropId: string,
    private readonly ports: LinePorts,
  ) {
    this.nap = new Nap(ports.platform)
  }

  get state(): Watched<LineSeen> {
    return this.cell
  }

  start(): void {
    if (this.isRunning) return
    this.isRunning = true
    void this.follow()
  }

  stop(): void {
    this.isStopped = true
    this.nap.wake()
  }

  /** Something may have changed: look the place up anew, without trusting what the phone keeps. */
  lookAgain(): void {
    this.ports.known.forgetPlace(this.dropId)
    this.put({ isPlaceKnown: false })
    this.hurry()
  }

  /** A room says that the line has changed: look soon. All who hear it do not look at once. */
  hear(): void {
    const { timers, chance } = this.ports.platform
    timers.after(chance() * HEARD_MS, () => this.hurry())
  }

  /** A unit was bought in the turn that lives now: it is good for one. */
  use(): void {
    const { place } = this.cell.get()
    if (place?.turn == null || place.standing !== 'turn') return
    this.ports.known.used(this.dropId, place.turn.since_ms)
    this.put({})
  }

  /** Join, or enter a draw whose list is open. After a missed turn it takes a place at the end. */
  join(): void {
    const { doing, line, place } = this.cell.get()
    if (doing !== null || line === null) return
    this.begin('join')
    void this.joinNow(line, place)
  }

  leave(): void {
    if (this.cell.get().doing !== null || this.cell.get().place === null) return
    this.begin('leave')
    void this.leaveNow()
  }

  private begin(doing: Deed): void {
    this.round += 1
    this.ports.known.begin(this.dropId, doing, this.ports.platform.timers.wall())
    this.put({ doing, problem: null })
  }

  private end(): void {
    this.ports.known.end(this.dropId)
    this.put({ doing: null })
  }

  /** The app was killed in the middle of a deed: it may have arrived, or may still arrive. */
  private resume(line: PublicLine): void {
    const { deed, deedMs = 0 } = this.ports.known.of(this.dropId)
    if (this.hasResumed || this.cell.get().doing !== null) return
    this.hasResumed = true
    if (deed === undefined) return
    if (this.ports.platform.timers.wall() - deedMs > OLD_MS) return this.ports.known.end(this.dropId)
    this.doubtUntilMs = this.ports.platform.timers.elapsed() + LATE_MS
    this.begin(deed)
    void (deed === 'join' ? this.joinNow(line, null) : this.leaveNow())
  }

  private async joinNow(line: PublicLine, place: MyPlace | null): Promise<void> {
    if (place !== null && place.standing !== 'left' && place.standing !== 'gone') {
      const left = await this.free()
      if (left === null) return
      if (left.kind === 'problem' && left.problem.code !== 'no_place') return this.refuse(left)
    }
    const path = { drop_id: this.dropId }
    const isEntry = isListOpen(line, line.server_ms)
    const { api, solver } = this.ports
    const answer = await this.insist(() =>
      askSolved((altcha) => {
        const body = altcha === null ? {} : { altcha }
        return isEntry
          ? api.ask('post', '/v1/drops/{drop_id}/entries', { path, body })
          : api.ask('post', '/v1/drops/{drop_id}/line', { path, body })
      }, solver),
    )
    if (answer === null) return
    if (answer.kind === 'problem') return this.refuse(answer)
    this.take(answer.body)
    this.end()
    this.hurry()
  }

  private async leaveNow(): Promise<void> {
    const answer = await this.free()
    if (answer === null) return
    if (answer.kind === 'problem' && answer.problem.code !== 'no_place') return this.refuse(answer)
    this.end()
    this.lookAgain()
  }

  private free(): Promise<Good<unknown> | Refused | null> {
    const path = { drop_id: this.dropId }
    return this.insist(() => this.ports.api.ask('delete', '/v1/drops/{drop_id}/line', { path }))
  }

  private refuse({ problem }: Refused): void {
    this.end()
    this.put({ problem })
    this.lookAgain()
  }

  private async follow(): Promise<void> {
    const { visibility, chance } = this.ports.platform
    while (!this.isStopped) {
      this.isDue = false
      if (!visibility.isShown()) {
        await this.nap.sleep(HIDDEN_MS)
        continue
      }
      const found = await this.look()
      if (this.isStopped) return
      const isGood = found.kind === 'wait'
      this.failures = isGood ? 0 : this.failures + 1
      this.put({ isStale: this.failures >= STALE_AFTER })
      if (this.isDue) continue
      const ms = isGood
        ? found.ms + chance() * Math.min(JITTER_MS, found.ms * 0.3)
        : backoffMs(FAILED, this.failures, chance, found.ms)
      await this.nap.sleep(ms)
    }
  }

  /** One look, and how long to wait then. */
  private async look(): Promise<{ readonly kind: 'wait' | 'failed'; readonly ms: number }> {
    const { api, known } = this.ports
    const { round } = this
    const path = { drop_id: this.dropId }
    const shown = await api.ask('get', '/v1/drops/{drop_id}/line', { path })
    if (shown.kind === 'problem' && NO_LINE.has(shown.problem.code)) return this.without()
    if (shown.kind !== 'good') return failed(shown)
    const line = shown.body
    if (line.state === 'void') return this.without()
    const before = this.cell.get()
    known.see(line)
    const hasRevived = before.line?.state === 'gone' && line.state !== 'gone'
    this.put({ hasLine: true, line, ...(hasRevived ? { isPlaceKnown: false } : {}) })
    if (api.token() === null) {
      this.put({ place: null, isPlaceKnown: true })
      return wait(withoutPlaceMs(line))
    }
    this.resume(line)
    const { place, isPlaceKnown } = this.cell.get()
    const isSure = isPlaceKnown && !(place === null && this.isInDoubt())
    if (isSure && (place === null || place.retry_after_ms === 0)) {
      return wait(place === null ? withoutPlaceMs(line) : QUIET_MS)
    }
    const token = known.of(this.dropId).place ?? ''
    const mine = await api.ask('get', '/v1/drops/{drop_id}/line/me', {
      path,
      ...(token ? { query: { place: token } } : {}),
    })
    if (round !== this.round) return wait(NEAR_MS)
    if (mine.kind === 'good') {
      this.take(mine.body)
      const isDone = isUsed(mine.body, known.of(this.dropId))
      return wait(isDone ? QUIET_MS : mine.body.retry_after_ms || QUIET_MS)
    }
    if (mine.kind === 'problem' && mine.problem.code === 'no_place') {
      this.put({ place: null, isPlaceKnown: true })
      return wait(withoutPlaceMs(line))
    }
    if (mine.kind === 'problem' && mine.status === 401 && (await this.ports.logIn())) {
      return wait(NEAR_MS)
    }
    return failed(mine)
  }

  /** The look after the last moment is in doubt, too: it sees what arrived until then. */
  private isInDoubt(): boolean {
    const until = this.doubtUntilMs
    if (until !== null && this.ports.platform.timers.elapsed() >= until) this.doubtUntilMs = null
    return until !== null
  }

  private without(): { readonly kind: 'wait'; readonly ms: number } {
    this.put({ hasLine: false, line: null, place: null, isPlaceKnown: true })
    return wait(NO_LINE_MS)
  }

  private take(place: MyPlace): void {
    this.ports.known.placed(place)
    this.put({ place, isPlaceKnown: true })
  }

  private hurry(): void {
    this.isDue = true
    this.nap.wake()
  }

  private put(part: Partial<LineSeen>): void {
    if (!this.isStopped) this.cell.set({ ...this.cell.get(), ...part })
  }

  private insist<T>(ask: () => Promise<Answer<T>>): Promise<Good<T> | Refused | null> {
    const { platform, logIn } = this.ports
    const isStopped = (): boolean => this.isStopped
    const nap = new Nap(platform) // the looks go on meanwhile
    return insist(ask, { nap, chance: platform.chance, logIn, isStopped })
  }
}

function wait(ms: number): { readonly kind: 'wait'; readonly ms: number } {
  return { kind: 'wait', ms }
}

function failed(answer: Answer<unknown>): { readonly kind: 'failed'; readonly ms: number } {
  return { kind: 'failed', ms: answer.kind === 'problem' ? answer.waitMs : 0 }
}

function withoutPlaceMs(line: PublicLine): number {
  if (line.state === 'gone') return QUIET_MS
  if (line.state !== 'gathering') return OPEN_MS
  return Math.max(NEAR_MS, Math.min(QUIET_MS, line.opens_ms - line.server_ms))
}
