/**
 * The one owner of the way to a room: at most one line at a time, closed before the next opens.
 *
 * It comes back with its place after each break, falls back to polls where sockets do not work, and
 * replaces the line whenever the app is shown again, because phones kill sockets silently.
 */

import { RECONNECT, backoffMs } from '../backoff.ts'
import { Cell, type Watched } from '../cell.ts'
import type { Cancel, Platform } from '../platform.ts'
import type { Line, LineEnd, LineEvents, OpenLine } from './line.ts'
import type { Answered, Frame, Hello, RoomEvent, Snapshot } from './messages.ts'
import { type Shown, hearEvent, hearSnapshot } from './state.ts'

export type Standing =
  | 'connecting' // nothing is known yet
  | 'live'
  | 'reconnecting' // what is shown may be old
  | 'over' // the room has ended
  | 'banned'
  | 'refused' // this room cannot be shown: `why` says it

export interface LinkState {
  readonly standing: Standing
  readonly why: string
  readonly shown: Shown | null
  readonly line: 'socket' | 'poll' | null
  /** The viewer's own id in this room; null without a login. */
  readonly personId: string | null
}

export interface LinkPorts {
  readonly platform: Pick<Platform, 'timers' | 'visibility' | 'chance'>
  readonly openSocket: OpenLine
  readonly openPoll: OpenLine
  readonly token: () => string | null
  /** A new token, if the service refused the old one. */
  readonly logIn: () => Promise<boolean>
  /** The place on the private channel, for a socket that carries it. */
  readonly mine?: () => string
  readonly heardAnswer?: (message: Answered) => void
}

const MISSES = 2 // sockets that never worked, before polls take over
const PROBE_MS = 60_000 // while polls work, a socket is tried again after this; then doubled
const LONGEST_PROBE_MS = 600_000
const STABLE_MS = 10_000 // a line that lived so long begins the backoff anew

const NO_RETURN: Readonly<Record<string, Standing>> = {
  room_over: 'over',
  banned: 'banned',
  forbidden: 'refused',
  unknown_room: 'refused',
}
// The socket of this face is at fault, or of no use here.
const FAULTS = new Set([
  'protocol_error',
  'no_binary',
  'not_utf8',
  'frame_too_large',
  'bad_frame',
  'too_many_frames',
  'not_ours',
])
const TOKENS = new Set(['unauthenticated', 'expired_token', 'invalid_token'])

export class RoomLink {
  private readonly cell = new Cell<LinkState>({
    standing: 'connecting',
    why: '',
    shown: null,
    line: null,
    personId: null,
  })
  private line: Line | null = null
  private mark: object | null = null // of the line that we have, from before it opens
  private number = 0
  private misses = 0 // sockets in a row that never said hello
  private breaks = 0 // ends in a row, for the backoff
  private readyAt = 0
  private usesPolls = false
  private isProbing = false // tries a socket, while polls would work
  private probeMs = PROBE_MS
  private withToken = true
  private stopTimer: Cancel = () => {}
  private cancels: Cancel[] = []

  constructor(
    private readonly roomId: string,
    private readonly ports: LinkPorts,
  ) {}

  get state(): Watched<LinkState> {
    return this.cell
  }

  start(): void {
    const { visibility } = this.ports.platform
    this.cancels = [
      visibility.onShow(() => this.replace()),
      visibility.onHide(() => this.stopTimer()),
    ]
    this.open()
  }

  stop(): void {
    for (const cancel of this.cancels) cancel()
    this.cancels = []
    this.drop()
  }

  /** False: no socket is open. */
  send(frame: Frame): boolean {
    return this.line?.send(frame) ?? false
  }

  /** Somebody has logged in: the open line says who, or a new one does. */
  introduce(): void {
    this.withToken = true
    if (this.line !== null && !this.line.introduce()) this.replace()
  }

  /** Close the line and open a new one from the last place, at once. */
  replace(): void {
    if (this.isOver()) return
    this.drop()
    this.misses = 0
    this.breaks = 0
    this.usesPolls = false
    this.isProbing = false
    this.withToken = true
    this.open()
  }

  private open(): void {
    this.drop() // close before open
    const mark = {}
    this.mark = mark
    const request = {
      roomId: this.roomId,
      place: this.cell.get().shown?.place ?? null,
      token: () => (this.withToken ? this.ports.token() : null),
      mine: () => this.ports.mine?.() ?? null,
      number: () => (this.number += 1),
      events: this.eventsOf(() => this.mark === mark),
    }
    const line = this.usesPolls ? this.ports.openPoll(request) : this.ports.openSocket(request)
    if (this.mark !== mark) return // it has ended while it opened
    this.line = line
    if (line.kind === 'poll') {
      this.stopTimer = this.ports.platform.timers.after(this.probeMs, () => this.probe())
    }
  }

  private probe(): void {
    this.probeMs = Math.min(this.probeMs * 2, LONGEST_PROBE_MS)
    this.isProbing = true
    this.usesPolls = false
    this.open()
  }

  private drop(): void {
    this.stopTimer()
    const line = this.line
    this.line = null
    this.mark = null
    line?.close()
  }

  /** `isMine`: whether the line that speaks is still the one we have. */
  private eventsOf(isMine: () => boolean): LineEvents {
    return {
      ready: (hello) => {
        if (isMine()) this.welcome(hello)
      },
      heard: (line, epoch, message) => {
        if (isMine()) this.hear(line, epoch, message)
      },
      answered: (message) => {
        if (!isMine()) return
        if (message.type === 'welcome' && message.person_id) {
          this.show({ personId: message.person_id })
        }
        this.ports.heardAnswer?.(message)
      },
      ended: (end) => {
        if (isMine()) this.end(end)
      },
    }
  }

  private welcome(hello: Hello | null): void {
    this.misses = 0
    this.isProbing = false
    if (hello !== null) this.probeMs = PROBE_MS
    this.readyAt = this.ports.platform.timers.elapsed()
    this.show({ line: hello === null ? 'poll' : 'socket' })
    if (hello?.person_id) this.show({ personId: hello.person_id })
    // Nothing may follow, if nothing was missed.
    if (hello === null || hello.resumed) this.showLive()
  }

  private showLive(): void {
    if (this.cell.get().shown !== null) this.show({ standing: 'live', why: '' })
  }

  private hear(line: number, epoch: string, message: Snapshot | RoomEvent): void {
    const { shown } = this.cell.get()
    const heard =
      message.type === 'snapshot'
        ? hearSnapshot(shown, line, message)
        : hearEvent(shown, line, epoch, message)
    if (heard.verdict === 'applied') {
      this.show({ shown: heard.shown, standing: 'live', why: '' })
    } else if (heard.verdict === 'gap') {
      this.end({ why: 'gap' })
    }
  }

  private end(end: LineEnd): void {
    const { timers, visibility, chance } = this.ports.platform
    const wasReady = this.cell.get().line !== null
    const wasSocket = this.line?.kind !== 'poll'
    this.drop()
    this.show({ line: null })
    const last = NO_RETURN[end.why]
    if (last !== undefined) {
      this.show({ standing: last, why: end.why })
      return
    }
    if (this.isProbing) {
      this.isProbing = false
      this.usesPolls = true
      this.open()
      return
    }
    if (this.cell.get().shown !== null) this.show({ standing: 'reconnecting', why: end.why })
    if (TOKENS.has(end.why)) {
      void this.logInAgain()
      return
    }
    if (wasSocket && !wasReady) this.misses += 1
    if (FAULTS.has(end.why) || this.misses >= MISSES) this.usesPolls = true
    const lived = wasReady ? timers.elapsed() - this.readyAt : 0
    this.breaks = lived >= STABLE_MS ? 1 : this.breaks + 1
    if (!visibility.isShown()) return // the next show opens it
    const isFirstGap = end.why === 'gap' && this.breaks === 1
    const wait = isFirstGap ? 0 : backoffMs(RECONNECT, this.breaks, chance, end.waitMs)
    this.stopTimer = timers.after(wait, () => this.open())
  }

  private async logInAgain(): Promise<void> {
    // Watching needs no login: without one, go on as a stranger.
    this.withToken = await this.ports.logIn()
    if (this.line === null && this.cancels.length > 0 && !this.isOver()) this.open()
  }

  private isOver(): boolean {
    const { standing } = this.cell.get()
    return standing === 'over' || standing === 'banned' || standing === 'refused'
  }

  private show(change: Partial<LinkState>): void {
    this.cell.set({ ...this.cell.get(), ...change })
  }
}
