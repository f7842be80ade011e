/** A value that others watch. Faces bind it to their screens. */

import type { Cancel } from './platform.ts'

export interface Watched<T> {
  get(): T
  /** Calls `run` after each change, not now. */
  watch(run: (value: T) => void): Cancel
}

export class Cell<T> implements Watched<T> {
  private value: T
  private readonly watchers = new Set<(value: T) => void>()

  constructor(value: T) {
    this.value = value
  }

  get(): T {
    return this.value
  }

  set(value: T): void {
    if (Object.is(value, this.value)) return
    this.value = value
    for (const run of [...this.watchers]) run(value)
  }

  watch(run: (value: T) => void): Cancel {
    this.watchers.add(run)
    return () => {
      this.watchers.delete(run)
    }
  }
}
