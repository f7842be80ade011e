/** A list that comes in pages: the next one at the end, the first one anew, each row once. */

import type { Answer, Problem } from './answers.ts'
import { Cell, type Watched } from './cell.ts'

export interface Page<T> {
  readonly rows: readonly T[]
  readonly next: string | null
}

export interface Listed<T> {
  /** Null before the first answer. */
  readonly rows: readonly T[] | null
  readonly hasMore: boolean
  readonly isLoading: boolean
  /** The last request brought nothing: null after an answer. */
  readonly fault: { readonly problem: Problem | null } | null
}

export class Pages<T> {
  private readonly cell = new Cell<Listed<T>>({
    rows: null,
    hasMore: false,
    isLoading: false,
    fault: null,
  })
  private next: string | null = null
  private round = 0

  constructor(
    private readonly ask: (after: string) => Promise<Answer<Page<T>>>,
    private readonly idOf: (row: T) => string,
  ) {}

  get state(): Watched<Listed<T>> {
    return this.cell
  }

  /** The first page anew. Rows that are shown stay until it is there. */
  reload(): Promise<void> {
    return this.load('')
  }

  /** The list is about something else now: forget what it had. */
  restart(): Promise<void> {
    this.show({ rows: null, hasMore: false })
    return this.load('')
  }

  /** The next page, if there is one and none is on its way. */
  more(): Promise<void> {
    const { isLoading, hasMore } = this.cell.get()
    if (isLoading || !hasMore || this.next === null) return Promise.resolve()
    return this.load(this.next)
  }

  private async load(after: string): Promise<void> {
    const round = (this.round += 1)
    this.show({ isLoading: true })
    const answer = await this.ask(after)
    if (round !== this.round) return // another request has begun since
    if (answer.kind !== 'good') {
      const problem = answer.kind === 'problem' ? answer.problem : null
      this.show({ isLoading: false, fault: { problem } })
      return
    }
    const { rows, next } = answer.body
    const known = after === '' ? [] : (this.cell.get().rows ?? [])
    const all = new Map([...known, ...rows].map((row) => [this.idOf(row), row]))
    this.next = next
    this.show({
      rows: [...all.values()],
      hasMore: next !== null,
      isLoading: false,
      fault: null,
    })
  }

  private show(change: Partial<Listed<T>>): void {
    this.cell.set({ ...this.cell.get(), ...change })
  }
}
