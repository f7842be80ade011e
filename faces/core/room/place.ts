/**
 * Decides for each message of a room whether it is next, known, late, or behind a gap. No I/O.
 *
 * `line` is the number of the connection, or of the poll, that brought the message. A line with a
 * higher number was begun later, after the older one was given up, so what an older line still
 * brings is late. Within one line and epoch the service never goes back.
 */

export interface Place {
  readonly line: number
  readonly epoch: string
  readonly offset: number
  /** The epochs that this line has left: what it still brings of them is late. */
  readonly left: readonly string[]
}

export type Verdict = 'applied' | 'known' | 'late' | 'gap'

interface Arrival {
  readonly line: number
  readonly epoch: string
  readonly offset: number
}

export function judgeSnapshot(place: Place | null, found: Arrival): Verdict {
  if (place === null || found.line > place.line) return 'applied'
  if (found.line < place.line || place.left.includes(found.epoch)) return 'late'
  return found.epoch === place.epoch && found.offset <= place.offset ? 'known' : 'applied'
}

export function judgeEvent(place: Place | null, found: Arrival): Verdict {
  if (place === null) return 'gap'
  if (found.line < place.line) return 'late'
  if (found.epoch !== place.epoch) {
    const isLeft = found.line === place.line && place.left.includes(found.epoch)
    return isLeft ? 'late' : 'gap'
  }
  if (found.offset <= place.offset) return 'known'
  return found.offset === place.offset + 1 ? 'applied' : 'gap'
}

/** The place after a message that was applied. */
export function moved(place: Place | null, found: Arrival): Place {
  const { line, epoch, offset } = found
  if (place === null || line > place.line) return { line, epoch, offset, left: [] }
  const left = epoch === place.epoch ? place.left : [...place.left, place.epoch]
  return { line, epoch, offset, left }
}
