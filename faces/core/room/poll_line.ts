/** A room by long poll: the same events, for networks that break sockets. */

import type { Answer } from '../answers.ts'
import type { Api, Schemas } from '../api.ts'
import { Stop } from '../platform.ts'
import type { Line, LineRequest, Position } from './line.ts'
import type { RoomEvent } from './messages.ts'

const WAIT_MS = 20_000
const ANSWER_MS = 15_000 // after that wait

export type EventPage = Schemas['EventPage']

export function openPollLine(api: Api, request: LineRequest): Line {
  return new PollLine(api, request)
}

class PollLine implements Line {
  readonly kind = 'poll'
  private over = false
  private readonly stop = new Stop()
  private isReady = false

  constructor(
    private readonly api: Api,
    private readonly request: LineRequest,
  ) {
    void this.keepAsking(request.place)
  }

  send(): boolean {
    return false
  }

  introduce(): boolean {
    return true // each poll has the token of its time
  }

  close(): void {
    this.over = true
    this.stop.stop()
  }

  private async keepAsking(start: Position | null): Promise<void> {
    let place = start
    while (!this.over) {
      const number = this.request.number()
      // The first answer comes at once, so that the screen is right soon.
      const answer = await this.ask(place, this.isReady ? WAIT_MS : 0)
      if (this.over) return
      if (answer.kind !== 'good') {
        this.over = true
        const end = answer.kind === 'lost' ? { why: 'broken' } : refusal(answer)
        this.request.events.ended(end)
        return
      }
      place = this.tell(number, answer.body)
    }
  }

  private ask(place: Position | null, waitMs: number): Promise<Answer<EventPage>> {
    const where = place === null ? {} : { epoch: place.epoch, after: place.offset }
    return this.api.ask('get', '/v1/rooms/{room_id}/events', {
      path: { room_id: this.request.roomId },
      query: { ...where, wait_ms: waitMs },
      priority: 'background',
      timeoutMs: waitMs + ANSWER_MS,
      stop: this.stop,
    })
  }

  /** Tells a page, and returns the place for the next question. */
  private tell(number: number, page: EventPage): Position | null {
    const { events } = this.request
    if (page.epoch === '') return null // a new epoch began just now
    if (!this.isReady) {
      this.isReady = true
      events.ready(null)
    }
    if (page.snapshot) events.heard(number, page.epoch, page.snapshot)
    for (const event of page.events) {
      if (this.over) break // its owner has seen a gap
      events.heard(number, page.epoch, event as unknown as RoomEvent)
    }
    return { epoch: page.epoch, offset: page.after }
  }
}

function refusal(answer: Extract<Answer<EventPage>, { kind: 'problem' }>): {
  why: string
  waitMs: number
} {
  return { why: answer.problem.code, waitMs: answer.waitMs }
}
