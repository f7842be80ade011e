/**
 * Checks the draw of a lucky bag on the phone, from its public record: docs/lucky-bag.md.
 *
 * The service showed the commitment before anybody entered. Seed, list and winners must fit it.
 */

import { hmac } from '@noble/hashes/hmac.js'
import { sha256 } from '@noble/hashes/sha2.js'

import { ascii, compare, fromHex, toHex } from '../bytes.ts'

export interface DrawRecord {
  readonly bag: {
    readonly commitment: string
    readonly seed: string
    readonly list_hash: string
    readonly places: number
    readonly winners: readonly string[]
  }
  readonly entry_ids: readonly string[]
}

/** What this phone knows from before the draw. */
export interface Known {
  readonly commitment?: string
  readonly entryId?: string
}

export type DrawFault =
  | 'record' // it is no record of a draw
  | 'commitment' // it is not that of the seed
  | 'other_commitment' // it is not the one that was shown before the draw
  | 'list' // the hash is not that of the list
  | 'twice' // an entry is in the list twice
  | 'winners' // other entries have won
  | 'missing' // your own entry is not in the list

const SLICE = 500 // lots between two pauses: about 20 ms on a slow phone

/** What does not hold; empty if the draw is right. `pause` lets the screen live meanwhile. */
export async function checkDraw(
  record: DrawRecord,
  known: Known,
  pause: () => Promise<void>,
): Promise<DrawFault[]> {
  const { bag, entry_ids: entries } = record
  const seed = typeof bag?.seed === 'string' ? fromHex(bag.seed) : null
  if (seed === null || seed.length === 0 || !isList(entries) || !isList(bag.winners)) {
    return ['record']
  }
  const faults: DrawFault[] = []
  if (toHex(sha256(seed)) !== bag.commitment) faults.push('commitment')
  if (known.commitment !== undefined && known.commitment !== bag.commitment) {
    faults.push('other_commitment')
  }
  if ((await hashList(entries, pause)) !== bag.list_hash) faults.push('list')
  if (new Set(entries).size !== entries.length) faults.push('twice')
  const order = await drawOrder(seed, bag.list_hash, entries, pause)
  const winners = order.slice(0, Math.max(0, bag.places)).map((number) => entries[number])
  if (winners.join() !== bag.winners.join()) faults.push('winners')
  if (known.entryId !== undefined && !entries.includes(known.entryId)) faults.push('missing')
  return faults
}

/** The SHA-256 of the ids in their order, each followed by a newline. */
export async function hashList(entries: readonly string[], pause: () => Promise<void>): Promise<string> {
  const hash = sha256.create()
  for (let at = 0; at < entries.length; at += SLICE) {
    const lines = entries.slice(at, at + SLICE).map((entry) => `${entry}\n`)
    hash.update(ascii(lines.join('')))
    if (at > 0) await pause()
  }
  return toHex(hash.digest())
}

/** The numbers of the entries in the list, in the order of their lots: the lowest first. */
export async function drawOrder(
  seed: Uint8Array,
  listHash: string,
  entries: readonly string[],
  pause: () => Promise<void>,
): Promise<number[]> {
  const begun = hmac.create(sha256, seed).update(ascii(`${listHash}:`))
  const lots: (readonly [Uint8Array, number])[] = []
  for (const [at, entry] of entries.entries()) {
    if (at > 0 && at % SLICE === 0) await pause()
    lots.push([begun.clone().update(ascii(entry)).digest(), at])
  }
  lots.sort((a, b) => compare(a[0], b[0]))
  return lots.map(([, at]) => at)
}

export function isList(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((one) => typeof one === 'string' && IS_ID.test(one))
}

const IS_ID = /^[\x21-\x7e]{1,64}$/
