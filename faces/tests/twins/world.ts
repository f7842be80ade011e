/** A world with a clock of its own: everything happens at a time, in order, and at once. */

import type { Cancel, Platform, Storage, Timers, Visibility } from '../../core/platform.ts'

interface Happening {
  readonly at: number
  readonly order: number
  readonly run: () => void
}

export class World {
  now = 0
  /** What the phone's clock shows more than the true time. */
  wallOffset = 1_800_000_000_000
  private order = 0
  private readonly ahead: Happening[] = []

  after(ms: number, run: () => void): Cancel {
    const one = { at: this.now + Math.max(0, ms), order: (this.order += 1), run }
    this.ahead.push(one)
    return () => {
      const at = this.ahead.indexOf(one)
      if (at >= 0) this.ahead.splice(at, 1)
    }
  }

  /** Let everything happen until a time. */
  async runUntil(ms: number): Promise<void> {
    await settle()
    for (let next = this.next(ms); next !== null; next = this.next(ms)) {
      this.now = next.at
      next.run()
      await settle()
    }
    this.now = ms
  }

  run(ms: number): Promise<void> {
    return this.runUntil(this.now + ms)
  }

  private next(until: number): Happening | null {
    this.ahead.sort((a, b) => a.at - b.at || a.order - b.order)
    const first = this.ahead[0]
    if (first === undefined || first.at > until) return null
    this.ahead.shift()
    return first
  }
}

/** One start of the app: when it is killed, nothing of it runs any more. */
export class Run implements Timers {
  private dead = false

  constructor(private readonly world: World) {}

  elapsed(): number {
    return this.world.now
  }

  wall(): number {
    return this.world.now + this.world.wallOffset
  }

  after(ms: number, run: () => void): Cancel {
    return this.world.after(ms, () => {
      if (!this.dead) run()
    })
  }

  get isDead(): boolean {
    return this.dead
  }

  kill(): void {
    this.dead = true
  }
}

export class Memory implements Storage {
  readonly texts = new Map<string, string>()
  isFull = false

  read(name: string): string | null {
    return this.texts.get(name) ?? null
  }

  write(name: string, text: string): void {
    if (this.isFull) throw new Error('full')
    this.texts.set(name, text)
  }

  remove(name: string): void {
    this.texts.delete(name)
  }
}

export class Screen implements Visibility {
  private shown = true
  private readonly shows = new Set<() => void>()
  private readonly hides = new Set<() => void>()

  isShown(): boolean {
    return this.shown
  }

  onShow(run: () => void): Cancel {
    this.shows.add(run)
    return () => this.shows.delete(run)
  }

  onHide(run: () => void): Cancel {
    this.hides.add(run)
    return () => this.hides.delete(run)
  }

  show(): void {
    this.shown = true
    for (const run of [...this.shows]) run()
  }

  hide(): void {
    this.shown = false
    for (const run of [...this.hides]) run()
  }
}

export type PartOfPlatform = Pick<Platform, 'timers' | 'visibility' | 'chance'>

/** Let all promises go on that can. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 40; turn += 1) await Promise.resolve()
}
