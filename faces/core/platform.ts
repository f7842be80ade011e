/**
 * What a platform brings: WeChat, a browser, or a test.
 *
 * The core uses nothing else of it: no DOM, no uni, no Vue. Times are in milliseconds.
 */

export type Cancel = () => void

export interface Timers {
  /** Rises evenly while the page is shown, whatever somebody does to the phone's clock. */
  elapsed(): number
  /** The phone's clock: only to say how old a stored record is. */
  wall(): number
  after(ms: number, run: () => void): Cancel
}

/** Outlives the app. `write` throws when the storage is full or switched off. */
export interface Storage {
  read(name: string): string | null
  write(name: string, text: string): void
  remove(name: string): void
}

export interface HttpRequest {
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | null
}

/** The names of headers are in lower case. */
export interface HttpAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly text: string
}

export interface Sent {
  /** Null: no answer came. The request may have been carried out, or not. */
  readonly answer: Promise<HttpAnswer | null>
  readonly cancel: Cancel
}

export interface Http {
  send(request: HttpRequest): Sent
}

export interface SocketEvents {
  opened(): void
  heard(text: string): void
  /** Called once. 1006: it broke without a word. */
  closed(code: number, reason: string): void
}

export interface Socket {
  send(text: string): void
  close(): void
}

export interface Sockets {
  open(url: string, events: SocketEvents): Socket
}

/** Whether somebody sees the app. Hidden apps may lose timers, requests and sockets silently. */
export interface Visibility {
  isShown(): boolean
  onShow(run: () => void): Cancel
  onHide(run: () => void): Cancel
}

/** From 0 to below 1. */
export type Chance = () => number

export interface Platform {
  readonly timers: Timers
  readonly storage: Storage
  readonly http: Http
  readonly sockets: Sockets
  readonly visibility: Visibility
  readonly chance: Chance
}

/** Lets a caller give up what it has asked for. */
export class Stop {
  private stopped = false
  private readonly waiting = new Set<() => void>()

  isStopped(): boolean {
    return this.stopped
  }

  stop(): void {
    this.stopped = true
    for (const run of [...this.waiting]) run()
    this.waiting.clear()
  }

  /** Calls `run` at the stop, at once if that is over. */
  onStop(run: () => void): Cancel {
    if (this.stopped) {
      run()
      return () => {}
    }
    this.waiting.add(run)
    return () => {
      this.waiting.delete(run)
    }
  }
}

/** Waits without blocking. */
export function pause(timers: Timers, ms: number): Promise<void> {
  return new Promise((resume) => timers.after(ms, resume))
}
