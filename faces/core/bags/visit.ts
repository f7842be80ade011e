/**
 * One viewer and one lucky bag: enter, learn the result, claim the prize.
 *
 * Each call may be repeated, so a lost answer is asked for again: "entered" is only what the
 * service said. While a stay is asked for, the call is repeated as long as the room is shown.
 */

import type { Answer, Good, Problem, Refused } from '../answers.ts'
import type { Api, Schemas } from '../api.ts'
import { RETRY, backoffMs } from '../backoff.ts'
import { Cell, type Watched } from '../cell.ts'
import { insist } from '../insist.ts'
import { Nap } from '../nap.ts'
import type { Platform } from '../platform.ts'
import type { Said } from '../room/line.ts'
import type { BagView } from '../room/messages.ts'
import type { KnownBags } from './known.ts'

export type Prize = Schemas['OwnPrize']

export type VisitState =
  | { readonly step: 'idle' }
  /** The phrase, or the entry, is under way: its end is not known yet. */
  | { readonly step: 'asking' }
  /** `sinceMs` of the phone's own time: the stay began then, as far as we know. */
  | { readonly step: 'staying'; readonly sinceMs: number }
  | { readonly step: 'entered'; readonly entryId: string; readonly position: number }
  | { readonly step: 'refused'; readonly problem: Problem }
  /** It is drawn; the result is asked for. */
  | { readonly step: 'looking' }
  | { readonly step: 'not_entered' }
  | { readonly step: 'lost'; readonly entryId: string }
  | {
      readonly step: 'won'
      readonly entryId: string
      readonly prize: Prize
      readonly problem: Problem | null
      readonly isClaiming: boolean
    }

export interface VisitPorts {
  readonly platform: Pick<Platform, 'timers' | 'visibility' | 'chance'>
  readonly api: Api
  readonly known: KnownBags
  /** Posts a comment in the room. */
  readonly say: (text: string) => Promise<Said>
  readonly logIn: () => Promise<boolean>
}

const CODES_OF_NO_WIN = new Set(['no_prize', 'unknown_reservation'])

export class BagVisit {
  private readonly cell = new Cell<VisitState>({ step: 'idle' })
  private isRunning = false
  private isStopped = false
  private hasSaid = false
  private readonly nap: Nap
  private again: (() => Promise<void>) | null = null

  constructor(
    private readonly roomId: string,
    private bag: BagView,
    private readonly ports: VisitPorts,
  ) {
    this.nap = new Nap(ports.platform)
    ports.known.see(bag)
    const entryId = ports.known.of(bag.bag_id).entryId
    if (entryId !== undefined) this.cell.set({ step: 'entered', entryId, position: -1 })
    if (bag.state !== 'open') this.look()
  }

  get state(): Watched<VisitState> {
    return this.cell
  }

  get bagId(): string {
    return this.bag.bag_id
  }

  /** The bag has changed: when it is drawn, the result is asked for. */
  update(bag: BagView): void {
    const wasOpen = this.bag.state === 'open'
    this.bag = bag
    if (wasOpen && bag.state !== 'open') this.look()
  }

  /** Enter: says the phrase first, if there is one. Decided at once: a second tap is lost. */
  tap(): void {
    const { step } = this.cell.get()
    if (this.isRunning || this.bag.state !== 'open' || step === 'entered') return
    this.cell.set({ step: 'asking' })
    this.run(() => this.enter())
  }

  /** Claim a coupon. A unit needs no claim. */
  claim(): void {
    const found = this.cell.get()
    if (this.isRunning || found.step !== 'won') return
    this.cell.set({ ...found, isClaiming: true, problem: null })
    this.run(async () => {
      const path = this.path()
      const answer = await this.insist(() =>
        this.ports.api.ask('post', '/v1/rooms/{room_id}/bags/{bag_id}/claim', { path, body: {} }),
      )
      if (answer === null) return
      if (answer.kind === 'good') {
        this.cell.set({ ...found, prize: answer.body, isClaiming: false, problem: null })
      } else this.cell.set({ ...found, problem: answer.problem, isClaiming: false })
    })
  }

  stop(): void {
    this.isStopped = true
    this.nap.wake()
  }

  private async enter(): Promise<void> {
    if (this.bag.phrase && !this.hasSaid) {
      const said = await this.ports.say(this.bag.phrase)
      if (this.isStopped) return
      if (said.kind === 'refused') return this.refuse(said.problem)
      this.hasSaid = true // or its end is unknown: the entry tells
    }
    const sinceMs = this.ports.platform.timers.elapsed()
    for (;;) {
      const path = this.path()
      const answer = await this.insist(() =>
        this.ports.api.ask('post', '/v1/rooms/{room_id}/bags/{bag_id}/entries', { path, body: {} }),
      )
      if (answer === null) return
      if (answer.kind === 'good') {
        const { entry_id: entryId, position } = answer.body
        this.ports.known.entered(this.bag.bag_id, entryId)
        this.cell.set({ step: 'entered', entryId, position })
        return
      }
      if (answer.problem.code !== 'stay_longer') {
        if (answer.problem.code === 'phrase_missing') this.hasSaid = false
        return this.refuse(answer.problem)
      }
      this.cell.set({ step: 'staying', sinceMs })
      await this.nap.sleep(Math.max(500, answer.waitMs))
      if (this.isStopped || this.bag.state !== 'open') return
    }
  }

  private refuse(problem: Problem): void {
    this.cell.set({ step: 'refused', problem })
  }

  /** Ask for the result, until there is one. */
  private look(): void {
    if (this.bag.state !== 'drawn') return
    this.nap.wake()
    if (!this.ports.api.token()) {
      this.cell.set({ step: 'not_entered' })
      return
    }
    this.cell.set({ step: 'looking' })
    this.run(async () => {
      const path = this.path()
      for (let number = 1; !this.isStopped; number += 1) {
        const answer = await this.insist(() =>
          this.ports.api.ask('get', '/v1/rooms/{room_id}/bags/{bag_id}/entry', { path }),
        )
        if (answer === null) return
        if (answer.kind === 'problem') {
          if (CODES_OF_NO_WIN.has(answer.problem.code)) this.cell.set({ step: 'not_entered' })
          if (answer.problem.code === 'not_drawn') {
            await this.nap.sleep(backoffMs(RETRY, number, this.ports.platform.chance, answer.waitMs))
            continue
          }
          return this.refuse(answer.problem)
        }
        const { entered, entry_id: entryId, prize } = answer.body
        if (!entered) this.cell.set({ step: 'not_entered' })
        else if (prize === null) this.cell.set({ step: 'lost', entryId })
        else this.cell.set({ step: 'won', entryId, prize, problem: null, isClaiming: false })
        if (prize?.state !== 'pending') return
        await this.nap.sleep(backoffMs(RETRY, number, this.ports.platform.chance))
      }
    })
  }

  private path(): { room_id: string; bag_id: string } {
    return { room_id: this.roomId, bag_id: this.bag.bag_id }
  }

  /** Null: nobody waits any more. */
  private insist<T>(ask: () => Promise<Answer<T>>): Promise<Good<T> | Refused | null> {
    const { platform, logIn } = this.ports
    const isStopped = (): boolean => this.isStopped
    return insist(ask, { nap: this.nap, chance: platform.chance, logIn, isStopped })
  }

  private run(work: () => Promise<void>): void {
    if (this.isRunning) {
      this.again = work
      return
    }
    this.isRunning = true
    void work().finally(() => {
      this.isRunning = false
      const next = this.again
      this.again = null
      if (next !== null && !this.isStopped) this.run(next)
    })
  }
}
