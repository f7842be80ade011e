/**
 * What this phone knows of lines: commitments from before their openings, and own places. It is
 * stored, because a check of an order is worth little without it.
 */

import type { Schemas } from '../api.ts'
import type { Storage } from '../platform.ts'

export type Deed = 'join' | 'leave'

export interface KnownLine {
  /** Seen while nobody could know the order. */
  readonly commitment?: string
  readonly index?: number
  readonly position?: number
  readonly entryId?: string
  /** The signed place: a look with it costs the service no call to Redis. */
  readonly place?: string
  /** A deed that was sent, and whose end nobody saw: it is repeated after a start of the app. */
  readonly deed?: Deed
  readonly deedMs?: number
  /** The turn that a unit was bought in, by its beginning: it is good for one. */
  readonly usedTurn?: number
}

const MOST = 50

export class KnownLines {
  private readonly name: string
  private readonly known: Map<string, KnownLine>

  /** Places belong to a buyer. */
  constructor(
    private readonly storage: Storage,
    buyerId: string,
  ) {
    this.name = `lines:${buyerId}`
    this.known = this.stored()
  }

  of(dropId: string): KnownLine {
    return this.known.get(dropId) ?? {}
  }

  /** Keep the commitment of a line that is not open yet: the first one counts. */
  see(line: Schemas['PublicLine']): void {
    const known = this.of(line.drop_id)
    if (line.state !== 'gathering' || known.commitment !== undefined) return
    this.put(line.drop_id, { ...known, commitment: line.commitment })
  }

  /** A place as the service says it now. Another index is another place. */
  placed(found: Schemas['MyPlace']): void {
    const known = this.of(found.drop_id)
    const { position: _, usedTurn, ...rest } = known
    this.put(found.drop_id, {
      ...rest,
      index: found.index,
      place: found.place,
      ...(found.position === null ? {} : { position: found.position }),
      ...(found.entry_id === null ? {} : { entryId: found.entry_id }),
      ...(usedTurn === undefined || known.index !== found.index ? {} : { usedTurn }),
    })
  }

  used(dropId: string, usedTurn: number): void {
    if (this.of(dropId).usedTurn !== usedTurn) this.put(dropId, { ...this.of(dropId), usedTurn })
  }

  /** Before it is sent. `wallMs`: by the phone's clock. */
  begin(dropId: string, deed: Deed, wallMs: number): void {
    this.put(dropId, { ...this.of(dropId), deed, deedMs: wallMs })
  }

  end(dropId: string): void {
    const { deed: _, deedMs: _at, ...rest } = this.of(dropId)
    this.put(dropId, rest)
  }

  /** The place is left, or doubted: look it up without the token. */
  forgetPlace(dropId: string): void {
    const { place: _, ...rest } = this.of(dropId)
    this.put(dropId, rest)
  }

  private put(dropId: string, line: KnownLine): void {
    if (JSON.stringify(this.known.get(dropId)) === JSON.stringify(line)) return
    this.known.delete(dropId)
    this.known.set(dropId, line)
    const [oldest] = this.known.keys()
    if (this.known.size > MOST && oldest !== undefined) this.known.delete(oldest)
    try {
      this.storage.write(this.name, JSON.stringify(Object.fromEntries(this.known)))
    } catch {
      // The check says less after the next start.
    }
  }

  private stored(): Map<string, KnownLine> {
    try {
      const found = JSON.parse(this.storage.read(this.name) ?? '{}') as { [id: string]: KnownLine }
      return new Map(Object.entries(found).filter(([, line]) => typeof line === 'object' && line))
    } catch {
      return new Map()
    }
  }
}
