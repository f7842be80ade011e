/**
 * The comments that a screen shows. They follow the newest, until somebody scrolls up to read:
 * then nothing moves, and new ones are only counted.
 */

import { Cell, type Watched } from '../cell.ts'
import type { CommentView } from './messages.ts'

export interface Rows {
  readonly rows: readonly CommentView[]
  /** Comments that came since somebody reads; 0 while the screen follows. */
  readonly unread: number
  readonly isReading: boolean
}

export class CommentRows {
  private readonly cell = new Cell<Rows>({ rows: [], unread: 0, isReading: false })
  private comments: readonly CommentView[] = []

  get state(): Watched<Rows> {
    return this.cell
  }

  /** The newest comments of the room, the oldest first. */
  hear(comments: readonly CommentView[]): void {
    if (comments === this.comments) return
    this.comments = comments
    const { rows, isReading } = this.cell.get()
    if (isReading) this.cell.set({ rows: undeleted(rows, comments), unread: this.unread(), isReading })
    else this.cell.set({ rows: comments, unread: 0, isReading })
  }

  read(): void {
    if (!this.cell.get().isReading) this.cell.set({ ...this.cell.get(), isReading: true })
  }

  follow(): void {
    if (!this.cell.get().isReading) return
    this.cell.set({ rows: this.comments, unread: 0, isReading: false })
  }

  private unread(): number {
    const { rows } = this.cell.get()
    const last = rows[rows.length - 1]?.comment_id ?? 0
    return this.comments.filter(({ comment_id }) => comment_id > last).length
  }
}

/** A comment that is deleted goes at once, also from what somebody reads. */
function undeleted(
  rows: readonly CommentView[],
  comments: readonly CommentView[],
): readonly CommentView[] {
  const known = new Set(comments.map(({ comment_id }) => comment_id))
  const first = comments[0]?.comment_id ?? Infinity // nothing is known of those before
  const kept = rows.filter(({ comment_id }) => comment_id < first || known.has(comment_id))
  return kept.length === rows.length ? rows : kept
}

/**
 * The same rows in slots that never move: a new comment takes the slot of one that left. So a
 * mini-program sends only what is new to its view, not all rows at each change.
 */
export function inSlots(
  slots: readonly (CommentView | null)[],
  rows: readonly CommentView[],
): readonly (CommentView | null)[] {
  const wanted = new Map(rows.map((row) => [row.comment_id, row]))
  const next = slots.map((row) => {
    const kept = row === null ? undefined : wanted.get(row.comment_id)
    if (kept) wanted.delete(kept.comment_id)
    return kept ?? null
  })
  const free = next.flatMap((row, at) => (row === null ? [at] : []))
  for (const row of wanted.values()) {
    const at = free.shift()
    if (at === undefined) next.push(row)
    else next[at] = row
  }
  return next
}
