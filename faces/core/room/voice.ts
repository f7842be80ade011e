/** What a viewer says in a room: comments, and likes, whose taps are gathered. */

import type { Problem } from '../answers.ts'
import type { Api } from '../api.ts'
import type { Cancel, Timers } from '../platform.ts'
import { problemOf } from '../problems/problems.ts'
import type { Said } from './line.ts'
import type { Answered, Frame } from './messages.ts'

const ANSWER_MS = 8_000
const GATHER_MS = 800
const MOST_LIKES = 20 // in one frame

export class Voice {
  private refs = 0
  private readonly waiting = new Map<string, (said: Said) => void>()
  private taps = 0
  private stopGathering: Cancel | null = null

  constructor(
    private readonly roomId: string,
    private readonly api: Api,
    private readonly timers: Timers,
    /** False: no socket is open. */
    private readonly sendFrame: (frame: Frame) => boolean,
  ) {}

  /** Post a comment: by the socket if one is open. It cannot be repeated safely, so it is not. */
  say(text: string): Promise<Said> {
    const ref = `c${(this.refs += 1)}`
    if (!this.sendFrame({ type: 'comment', text, ref })) return this.post(text)
    return new Promise((done) => {
      const stop = this.timers.after(ANSWER_MS, () => finish({ kind: 'unknown' }))
      const finish = (said: Said): void => {
        stop()
        this.waiting.delete(ref)
        done(said)
      }
      this.waiting.set(ref, finish)
    })
  }

  /** An answer of the socket to one of our frames. */
  hear(message: Answered): void {
    const ref = 'ref' in message ? message.ref : null
    const finish = ref == null ? undefined : this.waiting.get(ref)
    if (finish === undefined) return
    if (message.type === 'commented') finish({ kind: 'said', commentId: message.comment_id })
    if (message.type === 'error') finish({ kind: 'refused', problem: problemOfFrame(message) })
  }

  /** The socket has gone: nobody will answer what went out on it. */
  lose(): void {
    for (const finish of [...this.waiting.values()]) finish({ kind: 'unknown' })
  }

  /** One tap. Taps of a moment go out together. */
  like(): void {
    this.taps += 1
    this.stopGathering ??= this.timers.after(GATHER_MS, () => this.flush())
  }

  /** Somebody looks at an item: for the numbers of the host, so it may get lost. */
  open(itemId: string): void {
    this.sendFrame({ type: 'opened', item_id: itemId })
  }

  private flush(): void {
    this.stopGathering = null
    const count = Math.min(this.taps, MOST_LIKES)
    this.taps -= count
    if (!this.sendFrame({ type: 'like', count })) void this.postLikes(count)
    if (this.taps > 0) this.stopGathering = this.timers.after(GATHER_MS, () => this.flush())
  }

  private async post(text: string): Promise<Said> {
    const path = { room_id: this.roomId }
    const answer = await this.api.ask('post', '/v1/rooms/{room_id}/comments', {
      path,
      body: { text },
    })
    if (answer.kind === 'lost') return { kind: 'unknown' }
    if (answer.kind === 'problem') return { kind: 'refused', problem: answer.problem }
    const { body } = answer
    return { kind: 'said', commentId: 'comment_id' in body ? body.comment_id : null }
  }

  private async postLikes(count: number): Promise<void> {
    const path = { room_id: this.roomId }
    await this.api.ask('post', '/v1/rooms/{room_id}/likes', {
      path,
      body: { count },
      priority: 'background',
    })
  }
}

function problemOfFrame(message: Extract<Answered, { type: 'error' }>): Problem {
  const { until_ms, retry_after_s } = message
  return {
    ...problemOf(message.code, STATUS[message.code] ?? 400),
    detail: message.detail,
    ...(until_ms == null ? {} : { until_ms }),
    ...(retry_after_s == null ? {} : { retry_after_s }),
  }
}

const STATUS: Readonly<Record<string, number>> = {
  expired_token: 401,
  unauthenticated: 401,
  slow_down: 429,
  store_unavailable: 503,
  overloaded: 503,
}
