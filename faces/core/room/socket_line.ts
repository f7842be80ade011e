/** A room by WebSocket. A silent connection is asked, and given up if it does not answer. */

import type { Cancel, Platform } from '../platform.ts'
import type { Line, LineEnd, LineRequest } from './line.ts'
import { type Answered, type Frame, isEvent, readMessage } from './messages.ts'

const OPEN_MS = 10_000 // until the first message
const PING_MS = 20_000 // of silence, before the service has said how often it pings
const PONG_MS = 8_000

/** A viewer's socket, or that of an operator who hosts the room. */
export type Channel = 'socket' | 'host/socket'

/** A line by socket; `address` is that of the service, `ws://…` or `wss://…`. */
export function openSocketLine(
  platform: Pick<Platform, 'sockets' | 'timers'>,
  address: string,
  request: LineRequest,
  channel: Channel = 'socket',
): Line {
  return new SocketLine(platform, address + pathOf(request, channel), request)
}

class SocketLine implements Line {
  readonly kind = 'socket'
  private readonly socket
  private readonly number: number
  private epoch = ''
  private over = false
  private isOpen = false
  private isKnown = false // the token was sent; it may be sent once
  private pingMs = PING_MS
  private stopWatch: Cancel

  constructor(
    private readonly platform: Pick<Platform, 'sockets' | 'timers'>,
    url: string,
    private readonly request: LineRequest,
  ) {
    this.number = request.number()
    this.stopWatch = platform.timers.after(OPEN_MS, () => this.end({ why: 'silent' }))
    this.socket = platform.sockets.open(url, {
      opened: () => this.greet(),
      heard: (text) => this.hear(text),
      closed: (code, reason) => this.end(readClose(code, reason)),
    })
  }

  send(frame: Frame): boolean {
    if (this.over || !this.isOpen) return false
    this.socket.send(JSON.stringify(frame))
    return true
  }

  introduce(): boolean {
    if (this.over || this.isKnown) return false
    if (this.isOpen) this.greet()
    return true // else it greets as soon as it is open
  }

  close(): void {
    if (this.over) return
    this.over = true
    this.stopWatch()
    this.socket.close()
  }

  private greet(): void {
    if (this.over) return
    this.isOpen = true
    const token = this.request.token()
    const mine = this.request.mine()
    if (token === null) return
    this.isKnown = true
    this.send(mine === null ? { type: 'hello', token } : { type: 'hello', token, mine })
  }

  private hear(text: string): void {
    if (this.over) return
    const message = readMessage(text)
    if (message === null) {
      this.end({ why: 'not_ours' })
      return
    }
    this.watch()
    const { events } = this.request
    if (message.type === 'hello') {
      this.epoch = message.epoch
      this.pingMs = message.ping_ms
      events.ready(message)
    } else if (message.type === 'snapshot') {
      this.epoch = message.epoch
      events.heard(this.number, this.epoch, message)
    } else if (isEvent(message)) {
      events.heard(this.number, this.epoch, message)
    } else {
      events.answered(message as Answered)
    }
  }

  /** The pings of the service do not reach us: ask, when nothing else was heard. */
  private watch(): void {
    if (this.over) return
    this.stopWatch()
    this.stopWatch = this.platform.timers.after(this.pingMs, () => {
      this.send({ type: 'ping' })
      this.stopWatch = this.platform.timers.after(PONG_MS, () => this.end({ why: 'silent' }))
    })
  }

  private end(why: LineEnd): void {
    if (this.over) return
    this.close()
    this.request.events.ended(why)
  }
}

function pathOf({ roomId, place }: LineRequest, channel: Channel): string {
  const path = `/v1/rooms/${encodeURIComponent(roomId)}/${channel}`
  return place === null ? path : `${path}?epoch=${place.epoch}&after=${place.offset}`
}

/** What a close says: its reason is a word, or JSON with `reason` and `retry_ms`. */
export function readClose(code: number, reason: string): LineEnd {
  try {
    const found = JSON.parse(reason) as { reason?: unknown; retry_ms?: unknown } | null
    if (typeof found?.reason === 'string') {
      const waitMs = typeof found.retry_ms === 'number' ? found.retry_ms : 0
      return { why: found.reason, waitMs }
    }
  } catch {
    // It is a word.
  }
  if (reason !== '') return { why: reason }
  return { why: BY_CODE[code] ?? 'broken' }
}

// Some platforms lose the reason.
const BY_CODE: Readonly<Record<number, string>> = {
  1002: 'protocol_error',
  1003: 'no_binary',
  1007: 'not_utf8',
  1009: 'frame_too_large',
  1012: 'restart',
  4400: 'bad_frame',
  4401: 'unauthenticated',
  4403: 'banned',
  4405: 'forbidden',
  4408: 'too_slow',
  4409: 'silent',
  4410: 'room_over',
  4413: 'full',
  4429: 'too_many_frames',
}
