/**
 * What this phone knows of lucky bags from before their draws: commitments, and own entries. It
 * is stored, because a check of a draw is worth little without it.
 */

import type { Storage } from '../platform.ts'

export interface KnownBag {
  readonly commitment?: string
  readonly entryId?: string
}

const MOST = 50

export class KnownBags {
  private readonly name: string
  private readonly known: Map<string, KnownBag>

  /** Entries belong to a buyer. */
  constructor(
    private readonly storage: Storage,
    buyerId: string,
  ) {
    this.name = `bags:${buyerId}`
    this.known = this.stored()
  }

  of(bagId: string): KnownBag {
    return this.known.get(bagId) ?? {}
  }

  /** Keep the commitment of a bag that is not drawn yet: the first one counts. */
  see(bag: { readonly bag_id: string; readonly state: string; readonly commitment: string }): void {
    if (bag.state !== 'open' || this.of(bag.bag_id).commitment !== undefined) return
    this.put(bag.bag_id, { ...this.of(bag.bag_id), commitment: bag.commitment })
  }

  entered(bagId: string, entryId: string): void {
    this.put(bagId, { ...this.of(bagId), entryId })
  }

  private put(bagId: string, bag: KnownBag): void {
    this.known.set(bagId, bag)
    const [oldest] = this.known.keys()
    if (this.known.size > MOST && oldest !== undefined) this.known.delete(oldest)
    try {
      this.storage.write(this.name, JSON.stringify(Object.fromEntries(this.known)))
    } catch {
      // The check says less after the next start.
    }
  }

  private stored(): Map<string, KnownBag> {
    try {
      const found = JSON.parse(this.storage.read(this.name) ?? '{}') as { [id: string]: KnownBag }
      return new Map(Object.entries(found).filter(([, bag]) => typeof bag === 'object' && bag))
    } catch {
      return new Map()
    }
  }
}
