/**
 * Checks the order of a line on the phone, from what was published: docs/line.md.
 *
 * The service showed the commitment before the first place was given. Then it published the seed.
 */

import { hmac } from '@noble/hashes/hmac.js'
import { sha256 } from '@noble/hashes/sha2.js'

import { ascii, fromHex, toHex } from '../bytes.ts'
import { drawOrder, hashList, isList } from './draw.ts'

const ROUNDS = 7
const MIN_HALF_BITS = 3

/** A line that is open: `GET /v1/drops/{id}/line`. */
export interface OpenLine {
  readonly commitment: string
  readonly seed: string
  readonly n0: number | null
  readonly closing_id: string
}

/** A draw that is made: `GET /v1/drops/{id}/draw`. `order` has numbers in the list. */
export interface LineDrawRecord {
  readonly commitment: string
  readonly seed: string
  readonly list_hash: string
  readonly entry_ids: readonly string[]
  readonly order: readonly number[]
}

/** What this phone knows from before, and what it was told. */
export interface KnownPlace {
  readonly commitment?: string
  readonly index?: number
  readonly entryId?: string
  readonly position?: number
}

export type LineFault =
  | 'record' // it is no record, or the line is not open
  | 'commitment' // it is not that of the seed
  | 'other_commitment' // it is not the one that was shown before the opening
  | 'list' // the hash is not that of the list
  | 'twice' // an entry is in the list twice
  | 'order' // the lots give another order
  | 'missing' // your own entry is not in the list
  | 'position' // you were told another position

export interface CheckedLine {
  readonly faults: readonly LineFault[]
  /** The position of this phone's place, as the record says; null if it has none. */
  readonly position: number | null
}

export function checkLine(line: OpenLine, known: KnownPlace): CheckedLine {
  const seed = seedOf(line)
  if (seed === null || typeof line.n0 !== 'number' || !line.closing_id) return NO_RECORD
  const faults = commitmentFaults(line, seed, known)
  if (known.index === undefined) return { faults, position: null }
  const position = positionOf(seed, line.n0, line.closing_id, known.index)
  if (known.position !== undefined && known.position !== position) faults.push('position')
  return { faults, position }
}

/** `pause` lets the screen live meanwhile: 100,000 entries take some seconds on a phone. */
export async function checkLineDraw(
  record: LineDrawRecord,
  known: KnownPlace,
  pause: () => Promise<void>,
): Promise<CheckedLine> {
  const seed = seedOf(record)
  const { entry_ids: entries, order } = record
  if (seed === null || !isList(entries) || !Array.isArray(order)) return NO_RECORD
  const faults = commitmentFaults(record, seed, known)
  if ((await hashList(entries, pause)) !== record.list_hash) faults.push('list')
  if (new Set(entries).size !== entries.length) faults.push('twice')
  const own = await drawOrder(seed, record.list_hash, entries, pause)
  if (own.length !== order.length || own.some((number, rank) => number !== order[rank])) {
    faults.push('order')
  }
  if (known.entryId === undefined) return { faults, position: null }
  const number = entries.indexOf(known.entryId)
  if (number < 0) return { faults: [...faults, 'missing'], position: null }
  const position = own.indexOf(number)
  if (known.position !== undefined && known.position !== position) faults.push('position')
  return { faults, position }
}

/** Where a place is: a Feistel network with cycle walking over the first n0 places. */
export function positionOf(
  seed: Uint8Array,
  n0: number,
  closingId: string,
  index: number,
): number {
  if (index >= n0) return index
  const key = hmac(sha256, seed, ascii(`${n0}:${closingId}`))
  let half = MIN_HALF_BITS
  while (4 ** half < n0) half += 1
  const size = 2 ** half
  let place = index
  do {
    let left = Math.floor(place / size)
    let right = place % size
    for (let round = 0; round < ROUNDS; round += 1) {
      const message = new Uint8Array(9)
      message[0] = round
      new DataView(message.buffer).setUint32(5, right) // 8 bytes, big-endian
      const lot = hmac(sha256, key, message)
      // The lowest bits of its first 8 bytes; a half has 16 at most.
      const bits = new DataView(lot.buffer, lot.byteOffset).getUint32(4) % size
      ;[left, right] = [right, left ^ bits]
    }
    place = left * size + right
  } while (place >= n0)
  return place
}

const NO_RECORD: CheckedLine = { faults: ['record'], position: null }

function seedOf(record: { readonly seed: string }): Uint8Array | null {
  const seed = typeof record.seed === 'string' ? fromHex(record.seed) : null
  return seed === null || seed.length === 0 ? null : seed
}

function commitmentFaults(
  record: { readonly commitment: string },
  seed: Uint8Array,
  known: KnownPlace,
): LineFault[] {
  const faults: LineFault[] = []
  if (toHex(sha256(seed)) !== record.commitment) faults.push('commitment')
  if (known.commitment !== undefined && known.commitment !== record.commitment) {
    faults.push('other_commitment')
  }
  return faults
}
