/** What figures were: an hour of seconds, for sparklines and curves. */

const SECONDS = 3600

/** A ring of values, one a second at most. */
export class Series {
  private readonly times = new Float64Array(SECONDS)
  private readonly values = new Float32Array(SECONDS)
  private count = 0

  add(atMs: number, value: number): void {
    if (this.count > 0 && atMs <= (this.times[(this.count - 1) % SECONDS] ?? 0)) return
    this.times[this.count % SECONDS] = atMs
    this.values[this.count % SECONDS] = value
    this.count += 1
  }

  /** Put what was before the first value in front of it. */
  backfill(points: readonly (readonly [number, number])[]): void {
    const mine = this.points(SECONDS)
    const first = mine[0]?.[0] ?? Number.POSITIVE_INFINITY
    this.count = 0
    for (const [at, value] of points) if (at < first) this.add(at, value)
    for (const [at, value] of mine) this.add(at, value)
  }

  /** The last values, the oldest first; at most `most`. */
  last(most: number): number[] {
    const from = Math.max(0, this.count - Math.min(most, SECONDS))
    return Array.from({ length: this.count - from }, (_, at) => this.values[(from + at) % SECONDS] ?? 0)
  }

  /** Pairs of time and value, the oldest first; at most about `most`, evenly thinned. */
  points(most: number): [number, number][] {
    const kept = Math.min(this.count, SECONDS)
    const step = Math.max(1, Math.ceil(kept / most))
    const found: [number, number][] = []
    for (let at = this.count - kept; at < this.count; at += step) {
      found.push([this.times[at % SECONDS] ?? 0, this.values[at % SECONDS] ?? 0])
    }
    return found
  }
}

/** Series by name; those that nobody has told for a while are forgotten. */
export class History {
  private readonly series = new Map<string, Series>()

  of(name: string): Series {
    let found = this.series.get(name)
    if (found === undefined) this.series.set(name, (found = new Series()))
    return found
  }

  keep(names: ReadonlySet<string>, prefix: string): void {
    for (const name of this.series.keys()) {
      if (name.startsWith(prefix) && !names.has(name)) this.series.delete(name)
    }
  }
}
