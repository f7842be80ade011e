/**
 * The picture of a room: the best way that works, else the cover. Buying never waits for it.
 *
 * A way that fails, or stands still, gives way to the next. Under the cover the best way is tried
 * again after a while, as long as the room is live and somebody sees it.
 */

import { backoffMs, type Pace } from '../backoff.ts'
import { Cell, type Watched } from '../cell.ts'
import type { Cancel, Platform } from '../platform.ts'

export type Way = 'live_player' | 'video'

export interface Source {
  readonly way: Way
  readonly url: string
}

export interface PictureState {
  /** Null: only the cover is shown. */
  readonly source: Source | null
  /** Each try has its own number, and its own element on the screen. */
  readonly attempt: number
  /** Until pictures move the cover stays on top. */
  readonly isMoving: boolean
  /** The room is live, and no way works now. */
  readonly isMissing: boolean
}

export interface Addresses {
  readonly hls: string | null
  readonly flv: string | null
}

/** What this face can play, the best first. `mode` is that of `GET /v1/config`. */
export function waysOf(
  mode: 'auto' | 'live_player' | 'video' | 'none',
  play: Addresses,
  canLivePlayer: boolean,
): readonly Source[] {
  const ways: Source[] = []
  if (canLivePlayer && play.flv && (mode === 'auto' || mode === 'live_player')) {
    ways.push({ way: 'live_player', url: play.flv })
  }
  if (play.hls && mode !== 'none') ways.push({ way: 'video', url: play.hls })
  return ways
}

export const BEGIN_MS = 12_000 // until pictures move
export const STALL_MS = 8_000 // without a new picture
const AGAIN: Pace = { firstMs: 4_000, longestMs: 60_000 }

export class RoomPicture {
  private readonly cell = new Cell<PictureState>({
    source: null,
    attempt: 0,
    isMoving: false,
    isMissing: false,
  })
  private ways: readonly Source[] = []
  private rung = 0
  private rounds = 0
  private isLive = false
  private stopTimer: Cancel = () => {}
  private readonly cancels: readonly Cancel[]

  constructor(private readonly platform: Pick<Platform, 'timers' | 'visibility' | 'chance'>) {
    this.cancels = [
      platform.visibility.onHide(() => this.rest()),
      platform.visibility.onShow(() => this.begin()),
    ]
  }

  get state(): Watched<PictureState> {
    return this.cell
  }

  /** The ways of this room, and whether it is live: no other state has pictures. */
  set(ways: readonly Source[], isLive: boolean): void {
    if (ways === this.ways && isLive === this.isLive) return
    this.ways = ways
    this.isLive = isLive
    this.begin()
  }

  /** A new picture was seen. */
  moved(attempt: number): void {
    if (attempt !== this.cell.get().attempt || this.cell.get().source === null) return
    this.rounds = 0
    this.watch(STALL_MS)
    if (!this.cell.get().isMoving) this.cell.set({ ...this.cell.get(), isMoving: true })
  }

  failed(attempt: number): void {
    const { attempt: now, source } = this.cell.get()
    if (attempt !== now || source === null) return
    this.rung += 1
    this.climb()
  }

  stop(): void {
    for (const cancel of this.cancels) cancel()
    this.stopTimer()
  }

  private begin(): void {
    this.rung = 0
    this.rounds = 0
    this.climb()
  }

  private climb(): void {
    this.stopTimer()
    const { attempt } = this.cell.get()
    const source = this.isLive && this.platform.visibility.isShown() ? this.ways[this.rung] : undefined
    const isMissing = this.isLive && source === undefined
    this.cell.set({ source: source ?? null, attempt: attempt + 1, isMoving: false, isMissing })
    if (source !== undefined) this.watch(BEGIN_MS)
    else if (this.isLive && this.ways.length > 0) this.tryAgainLater()
  }

  private watch(ms: number): void {
    this.stopTimer()
    const { attempt } = this.cell.get()
    this.stopTimer = this.platform.timers.after(ms, () => this.failed(attempt))
  }

  private tryAgainLater(): void {
    const { timers, visibility, chance } = this.platform
    if (!visibility.isShown()) return
    this.rounds += 1
    this.stopTimer = timers.after(backoffMs(AGAIN, this.rounds, chance), () => {
      this.rung = 0
      this.climb()
    })
  }

  /** Nobody sees it: it loads nothing. */
  private rest(): void {
    this.stopTimer()
    const { attempt } = this.cell.get()
    this.cell.set({ source: null, attempt: attempt + 1, isMoving: false, isMissing: false })
  }
}
