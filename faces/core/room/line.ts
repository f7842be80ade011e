/** One way to a room: a socket, or polls. Both look the same to their owner, `room/link.ts`. */

import type { Problem } from '../answers.ts'
import type { Answered, Frame, Hello, RoomEvent, Snapshot } from './messages.ts'

export interface Position {
  readonly epoch: string
  readonly offset: number
}

/** Why a line has ended by itself. */
export interface LineEnd {
  /** A reason of docs/realtime.md, a code of a problem, or `broken`. */
  readonly why: string
  /** The service asks to come back after this. */
  readonly waitMs?: number
}

export interface LineEvents {
  /** The service has answered: the line works. */
  ready(hello: Hello | null): void
  /** A snapshot or an event; `line` is the number of the connection or the poll. */
  heard(line: number, epoch: string, message: Snapshot | RoomEvent): void
  /** An answer to one of our frames. */
  answered(message: Answered): void
  ended(end: LineEnd): void
}

export interface Line {
  readonly kind: 'socket' | 'poll'
  /** False: this line cannot send it now. */
  send(frame: Frame): boolean
  /** Says who the viewer is, by the token that is there now. False: only a new line can. */
  introduce(): boolean
  /** Nothing is heard of the line after this. */
  close(): void
}

export interface LineRequest {
  readonly roomId: string
  readonly place: Position | null
  /** Null: a stranger. It is read when the line speaks. */
  readonly token: () => string | null
  /** The place on the private channel, or `new`; null: this line does not carry it. */
  readonly mine: () => string | null
  /** The next number of a connection or a poll. */
  readonly number: () => number
  readonly events: LineEvents
}

export type OpenLine = (request: LineRequest) => Line

/** A comment, however it was sent. Unknown: the line broke before the answer. */
export type Said =
  | { readonly kind: 'said'; readonly commentId: number | null }
  | { readonly kind: 'refused'; readonly problem: Problem }
  | { readonly kind: 'unknown' }
