/** The two ways to a model room, over a network that breaks, delays, and tells late. */

import type {
  Http,
  HttpRequest,
  Sent,
  Socket,
  SocketEvents,
  Sockets,
} from '../../core/platform.ts'
import type { ModelRoom } from './room.ts'
import type { World } from './world.ts'

const PAGE = 3 // events in one answer of a poll
const PING_MS = 20_000

/** Opened sockets, polls, and what went wrong. */
export class Channel implements Sockets, Http {
  /** No socket gets through, as behind some proxies. */
  noSockets = false
  private down = false
  delayMs = 10
  opened = 0
  /** Sockets and polls that their owner has not closed, now and at most. */
  readonly live = new Set<object>()
  mostLive = 0
  /** What the service answers to polls instead of a page. */
  problem: { status: number; code: string } | null = null
  heard: unknown[] = []
  private readonly wires = new Set<Wire>()

  constructor(
    readonly world: World,
    readonly room: ModelRoom,
  ) {
    room.listeners.add(() => {
      for (const wire of this.wires) wire.serve()
    })
  }

  /** Nothing gets through; sockets stay open, and get what was sent when it works again. */
  get isDown(): boolean {
    return this.down
  }

  set isDown(down: boolean) {
    this.down = down
    if (!down) for (const wire of [...this.wires]) wire.flush()
  }

  open(url: string, events: SocketEvents): Socket {
    this.opened += 1
    const wire = new Wire(this, new URL(url, 'ws://x'), events)
    this.track(wire)
    if (this.noSockets || this.isDown) {
      this.world.after(this.delayMs, () => wire.break(1006, ''))
    } else {
      this.world.after(this.delayMs, () => {
        this.wires.add(wire)
        wire.begin()
      })
    }
    return {
      send: (text) => {
        if (!this.isDown) wire.answer(JSON.parse(text) as { type: string; ref?: string })
      },
      close: () => {
        this.wires.delete(wire)
        this.live.delete(wire)
      },
    }
  }

  send(request: HttpRequest): Sent {
    const url = new URL(request.url, 'http://x')
    const poll = {}
    this.track(poll)
    const answer = new Promise<{ status: number; headers: object; text: string } | null>((done) => {
      const end = (body: unknown, status = 200): void => {
        this.live.delete(poll)
        done(body === null ? null : { status, headers: {}, text: JSON.stringify(body) })
      }
      this.world.after(this.delayMs, () => {
        if (this.isDown) return this.world.after(5_000, () => end(null))
        if (this.problem) return end({ ...this.problem, type: '', title: '' }, this.problem.status)
        return this.poll(url, end)
      })
    })
    return { answer: answer as Sent['answer'], cancel: () => this.live.delete(poll) }
  }

  /** Break every socket; what is under way arrives late. */
  cut(code: number, reason: string): void {
    for (const wire of [...this.wires]) wire.break(code, reason)
  }

  /** A message that is no event. */
  tellAll(message: object): void {
    for (const wire of this.wires) wire.tell(message)
  }

  forget(wire: Wire): void {
    this.wires.delete(wire)
  }

  private track(one: object): void {
    this.live.add(one)
    this.mostLive = Math.max(this.mostLive, this.live.size)
  }

  private poll(url: URL, end: (body: unknown, status?: number) => void): void {
    const epoch = url.searchParams.get('epoch') ?? ''
    const after = Number(url.searchParams.get('after') ?? 0)
    const waitMs = Number(url.searchParams.get('wait_ms') ?? 0)
    const { room, world } = this
    const isNews = (): boolean => epoch !== room.epoch || after !== room.offset
    const tell = (): void => {
      room.listeners.delete(listen)
      stop()
      const resumes = epoch === room.epoch && room.reaches(after)
      const snapshot = resumes ? null : room.snapshot()
      const events = resumes ? room.after(after).slice(0, PAGE) : []
      const last = resumes ? (events.at(-1)?.offset ?? after) : room.offset
      const page = { epoch: room.epoch, after: last, snapshot, events }
      world.after(this.delayMs, () => end(page))
    }
    let stop = (): void => {}
    const listen = (): void => {
      if (isNews()) tell()
    }
    if (isNews() || waitMs === 0) return tell()
    stop = world.after(waitMs, tell)
    room.listeners.add(listen)
  }
}

class Wire {
  private place = -1
  private epoch = ''
  private isBroken = false
  private readonly stuck: string[] = []
  private lastAt = 0

  constructor(
    private readonly channel: Channel,
    private readonly url: URL,
    private readonly events: SocketEvents,
  ) {}

  begin(): void {
    const { room } = this.channel
    const epoch = this.url.searchParams.get('epoch') ?? ''
    const after = Number(this.url.searchParams.get('after') ?? 0)
    const resumed = epoch === room.epoch && room.reaches(after)
    this.tell({
      type: 'hello',
      room_id: 'r1',
      epoch: room.epoch,
      offset: room.offset,
      resumed,
      role: 'viewer',
      person_id: null,
      ping_ms: PING_MS,
      server_ms: 0,
    })
    this.events.opened()
    this.place = resumed ? after : -1
    this.epoch = room.epoch
    this.serve()
  }

  serve(): void {
    const { room } = this.channel
    if (this.isBroken || this.epoch === '') return
    if (this.epoch !== room.epoch || !room.reaches(this.place)) this.tell(room.snapshot())
    else for (const event of room.after(this.place)) this.tell(event)
    this.epoch = room.epoch
    this.place = room.offset
  }

  answer(frame: { type: string; ref?: string }): void {
    this.channel.heard.push(frame)
    const { ref = null } = frame
    if (frame.type === 'ping') this.tell({ type: 'pong', server_ms: 0, ref })
    if (frame.type === 'hello') {
      this.tell({ type: 'welcome', role: 'viewer', person_id: 'p1', ref })
    }
    if (frame.type === 'comment') this.tell({ type: 'commented', comment_id: 1, ref })
  }

  break(code: number, reason: string): void {
    if (this.isBroken) return
    this.isBroken = true
    this.channel.forget(this)
    this.channel.live.delete(this)
    this.events.closed(code, reason)
  }

  flush(): void {
    for (const text of this.stuck.splice(0)) this.deliver(text)
  }

  tell(message: object): void {
    const text = JSON.stringify(message)
    if (this.channel.isDown) this.stuck.push(text)
    else this.deliver(text)
  }

  /** Messages under way arrive even after a break: the owner must not heed them. */
  private deliver(text: string): void {
    const at = Math.max(this.lastAt, this.channel.world.now + this.channel.delayMs)
    this.lastAt = at // a socket never changes the order
    this.channel.world.after(at - this.channel.world.now, () => this.events.heard(text))
  }
}
