/** A line as the service has it: places, an order, turns. Answers are made when a request arrives. */

import { sha256 } from '@noble/hashes/sha2.js'

import { fromHex, toHex } from '../../core/bytes.ts'
import { positionOf } from '../../core/checks/line.ts'
import type { MyPlace, PublicLine } from '../../core/line/phase.ts'
import type { HttpRequest } from '../../core/platform.ts'
import type { World } from './world.ts'

const SEED = '5e'.repeat(32)
const CLOSING = '1790000000000-3'

export class LineTwin {
  mode: PublicLine['mode'] = 'turns'
  opensMs = 10_000
  turnMs = 20_000
  available = 5
  held = 0
  serving = 0
  isGone = false
  /** Who has no place yet must solve it. */
  challenge = 0
  readonly places: (string | null)[] = []
  /** Every place that was ever told to a buyer, as text. */
  readonly told = new Set<string>()
  readonly turns: { first: number; until: number; atMs: number }[] = []

  constructor(private readonly world: World) {}

  get n0(): number | null {
    return this.isOpen ? this.early : null
  }

  private early = 0
  private isOpen = false

  join(buyer: string): number {
    const known = this.places.indexOf(buyer)
    if (known >= 0) return known
    return this.places.push(buyer) - 1
  }

  open(): void {
    this.isOpen = true
    this.early = this.places.length
  }

  serve(count: number): void {
    this.turns.push({ first: this.serving, until: this.serving + count, atMs: this.world.now })
    this.serving += count
  }

  show(): PublicLine {
    return {
      drop_id: 'd1',
      mode: this.mode,
      state: this.isGone ? 'gone' : this.isOpen ? 'open' : 'gathering',
      commitment: toHex(sha256(fromHex(SEED)!)),
      seed: this.isOpen ? SEED : '',
      n0: this.n0,
      closing_id: this.isOpen ? CLOSING : '',
      people: this.places.filter((one) => one !== null).length,
      left: this.places.filter((one) => one === null).length,
      serving: this.serving,
      available: this.available,
      held: this.held,
      turn_ms: this.turnMs,
      rate_per_s: 10,
      capacity: 1_000,
      opens_ms: this.opensMs,
      account_age_s: 0,
      challenge: this.challenge,
      server_ms: this.world.now,
    }
  }

  place(buyer: string): MyPlace | null {
    const index = this.places.indexOf(buyer)
    if (index < 0) return null
    const position = this.isOpen ? positionOf(fromHex(SEED)!, this.early, CLOSING, index) : null
    const turn = this.turns.find(
      ({ first, until }) => position !== null && first <= position && position < until,
    )
    const isLive = turn !== undefined && turn.atMs + this.turnMs > this.world.now
    const standing = this.isGone ? 'gone' : !turn ? 'waiting' : isLive ? 'turn' : 'missed'
    const place: MyPlace = {
      drop_id: 'd1',
      place: `lsl1.k.1.${index}.mac`,
      standing,
      index,
      position,
      ahead: standing === 'waiting' && position !== null ? position - this.serving : null,
      chance: 0.5,
      eta_ms: null,
      turn: turn && isLive ? { since_ms: turn.atMs, until_ms: turn.atMs + this.turnMs } : null,
      reservation_id: null,
      entry_id: null,
      retry_after_ms: standing === 'waiting' || standing === 'turn' ? 2_000 : 0,
      server_ms: this.world.now,
    }
    this.told.add(`${index}:${standing}`)
    return place
  }

  answer(request: HttpRequest, buyer: string): readonly [number, object] {
    const [path = ''] = request.url.split('?')
    const name = path.split('/').pop()
    const refuse = (status: number, code: string): readonly [number, object] => [
      status,
      { type: '', title: '', status, code },
    ]
    if (request.method === 'GET' && name === 'line') return [200, this.show()]
    if (request.method === 'GET' && name === 'me') {
      const place = this.place(buyer)
      return place === null ? refuse(404, 'no_place') : [200, place]
    }
    if (request.method === 'POST') {
      if (this.isGone && !this.places.includes(buyer)) return refuse(410, 'gone')
      if (name === 'entries' && this.isOpen && !this.places.includes(buyer)) {
        return refuse(409, 'line_closed')
      }
      const isSolved = (request.body ?? '').includes('"altcha":"solution"')
      if (this.challenge > 0 && !this.places.includes(buyer) && !isSolved) {
        const [status, problem] = refuse(403, 'challenge_required')
        return [status, { ...problem, challenge: {} }]
      }
      this.join(buyer)
      return [201, this.place(buyer)!]
    }
    const index = this.places.indexOf(buyer)
    if (index < 0) return refuse(404, 'no_place')
    this.places[index] = null
    return [200, {}]
  }
}
