/** Drops as a list shows them: what sells, what comes, what is over. No I/O. */

import type { Schemas } from '../api.ts'

export type Drop = Schemas['ShownDrop']

export interface Sales {
  readonly live: readonly Drop[]
  readonly soon: readonly Drop[]
  readonly ended: readonly Drop[]
}

/** What an open drop is to buyers now; the opening counts by the clock, before the service says it. */
export type Standing = 'soon' | 'open' | 'paused' | 'sold_out' | 'closed'

/** `isDue`: whether the service's clock has reached the opening. */
export function standingOf(
  drop: Pick<Drop, 'state' | 'remaining'>,
  isDue: boolean,
): Standing {
  if (drop.state === 'closed' || drop.state === 'paused') return drop.state
  if (!isDue) return 'soon'
  return drop.state === 'sold_out' || drop.remaining === 0 ? 'sold_out' : 'open'
}

/** Each drop once: live by what is left to sell, soon by opening, ended by what ended last. */
export function groupSales(drops: readonly Drop[], nowMs: number): Sales {
  const unique = [...new Map(drops.map((drop) => [drop.drop_id, drop])).values()]
  const of = (drop: Drop): Standing => standingOf(drop, drop.opens_ms <= nowMs)
  return {
    live: unique
      .filter((drop) => !['soon', 'closed'].includes(of(drop)))
      .sort((a, b) => rank(of(a)) - rank(of(b)) || b.opens_ms - a.opens_ms || order(a, b)),
    soon: unique
      .filter((drop) => of(drop) === 'soon')
      .sort((a, b) => a.opens_ms - b.opens_ms || order(a, b)),
    ended: unique
      .filter((drop) => of(drop) === 'closed')
      .sort((a, b) => b.closes_ms - a.closes_ms || order(a, b)),
  }
}

function rank(standing: Standing): number {
  return ['open', 'paused', 'sold_out'].indexOf(standing)
}

function order(a: Drop, b: Drop): number {
  return a.drop_id < b.drop_id ? -1 : 1
}

/** A drop without a price holds the prizes of a lucky bag: nobody can buy from it. */
export function isForSale({ price_fen }: { readonly price_fen: number }): boolean {
  return price_fen > 0
}
