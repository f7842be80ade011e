/** Follows a cell, and changes at most once in a while: the screen is drawn at that pace. */

import { Cell, type Watched } from './cell.ts'
import type { Cancel, Timers } from './platform.ts'

export class Paced<T> implements Watched<T> {
  private readonly cell: Cell<T>
  private shownAt = -Infinity
  private stopTimer: Cancel | null = null
  private readonly unwatch: Cancel

  constructor(
    private readonly source: Watched<T>,
    private readonly timers: Timers,
    private readonly ms: number,
  ) {
    this.cell = new Cell(source.get())
    this.unwatch = source.watch(() => this.plan())
  }

  get(): T {
    return this.cell.get()
  }

  watch(run: (value: T) => void): Cancel {
    return this.cell.watch(run)
  }

  stop(): void {
    this.unwatch()
    this.stopTimer?.()
  }

  /** The last value is always shown, and the first one after a quiet time at once. */
  private plan(): void {
    if (this.stopTimer !== null) return
    const wait = this.shownAt + this.ms - this.timers.elapsed()
    this.stopTimer = this.timers.after(Math.max(0, wait), () => {
      this.stopTimer = null
      this.shownAt = this.timers.elapsed()
      this.cell.set(this.source.get())
    })
  }
}
