import { readFileSync } from 'node:fs'

import { sha256 } from '@noble/hashes/sha2.js'
import fc from 'fast-check'
import { expect, test } from 'vitest'

import { ascii, fromHex, toHex } from '../../core/bytes.ts'
import { hashList } from '../../core/checks/draw.ts'
import {
  type LineDrawRecord,
  checkLine,
  checkLineDraw,
  positionOf,
} from '../../core/checks/line.ts'

const SEED = '5e'.repeat(32)
const CLOSING = '1790000000000-3'
const seed = fromHex(SEED)!
const commitment = toHex(sha256(seed))
const line = { commitment, seed: SEED, n0: 1000, closing_id: CLOSING }
const pause = () => Promise.resolve()

test('the places of a line are all positions, each once', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 300 }), (n0) => {
      const places = Array.from({ length: n0 + 3 }, (_, index) =>
        positionOf(seed, n0, CLOSING, index),
      )
      expect([...places].sort((a, b) => a - b)).toEqual([...places.keys()])
      expect(places.slice(n0)).toEqual([n0, n0 + 1, n0 + 2])
    }),
    { numRuns: 20 },
  )
})

test('a line holds, and each fault has a name', () => {
  const position = positionOf(seed, 1000, CLOSING, 17)
  expect(checkLine(line, { commitment, index: 17, position })).toEqual({ faults: [], position })
  expect(checkLine(line, {})).toEqual({ faults: [], position: null })
  const faults = (known = {}, changed = {}) => checkLine({ ...line, ...changed }, known).faults
  expect(faults({ commitment: '00' })).toEqual(['other_commitment'])
  expect(faults({ index: 17, position: position + 1 })).toEqual(['position'])
  expect(faults({}, { seed: '00'.repeat(32) })).toEqual(['commitment'])
  expect(faults({}, { seed: '' })).toEqual(['record'])
  expect(faults({}, { n0: null })).toEqual(['record'])
})

test('each fault of a draw has a name', async () => {
  const entry_ids = Array.from({ length: 50 }, (_, n) => toHex(sha256(ascii(`${n}`))).slice(0, 20))
  const list_hash = await hashList(entry_ids, pause)
  const empty = { commitment, seed: SEED, list_hash, entry_ids, order: [] }
  const { faults: wrong } = await checkLineDraw(empty, {}, pause)
  expect(wrong).toEqual(['order'])
  const order = await rightOrder(empty)
  const record: LineDrawRecord = { ...empty, order }
  const check = async (changed: object, known = {}) =>
    (await checkLineDraw({ ...record, ...changed }, known, pause)).faults
  const first = entry_ids[order[0]!]!
  expect(await checkLineDraw(record, { entryId: first, position: 0, commitment }, pause)).toEqual({
    faults: [],
    position: 0,
  })
  expect(await check({}, { entryId: first, position: 1 })).toEqual(['position'])
  expect(await check({}, { entryId: 'ffff' })).toEqual(['missing'])
  expect(await check({}, { commitment: '00' })).toEqual(['other_commitment'])
  expect(await check({ order: [...order].reverse() })).toEqual(['order'])
  expect(await check({ entry_ids: [...entry_ids].reverse() })).toContain('list')
  expect(await check({ entry_ids: [...entry_ids, first] })).toContain('twice')
  expect(await check({ seed: 'xyz' })).toEqual(['record'])
  expect((await checkLineDraw({} as LineDrawRecord, {}, pause)).faults).toEqual(['record'])
})

async function rightOrder(record: Omit<LineDrawRecord, 'order'>): Promise<number[]> {
  const ranks = await Promise.all(
    record.entry_ids.map(async (entryId) => {
      const { position } = await checkLineDraw({ ...record, order: [] }, { entryId }, pause)
      return position!
    }),
  )
  const order: number[] = []
  for (const [number, rank] of ranks.entries()) order[rank] = number
  return order
}

// The service's own test gives a draw of 100,000 entries, and a line.
const MADE = process.env['LINE_RECORDS']

test.runIf(MADE)('a draw and a line of the service hold', { timeout: 60_000 }, async () => {
  const made = JSON.parse(readFileSync(MADE!, 'utf8')) as {
    draw: LineDrawRecord
    entry_id: string
    position: number
    line: typeof line
    positions: number[]
  }
  const known = { entryId: made.entry_id, position: made.position }
  const checked = await checkLineDraw(made.draw, known, pause)
  expect(checked).toEqual({ faults: [], position: made.position })
  for (const [index, position] of made.positions.entries()) {
    expect(checkLine(made.line, { index, position }).faults).toEqual([])
  }
  console.log('draw and line hold')
})
