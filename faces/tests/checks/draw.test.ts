import fc from 'fast-check'
import { expect, test } from 'vitest'

import { fromHex, toBase64, toHex } from '../../core/bytes.ts'
import { type DrawRecord, checkDraw } from '../../core/checks/draw.ts'

// The example of docs/lucky-bag.md.
const RECORD: DrawRecord = {
  bag: {
    places: 2,
    commitment: '704d8c8d4124f4ac6295476a47d5af9a20ab3e7ef4fd5504104c1dcf0dacb1cc',
    seed: '73300871f44c168e7c949de2c750e60c2c9bb8ff530017c5a267234e9cb4db8e',
    list_hash: '40f4d72d34ecd4bc8457b9c4add24163c843b38e770b4ea6de61e5c21cb71ca7',
    winners: ['9652d9027dc8977d892a', 'e4dc01a37c78d108ccda'],
  },
  entry_ids: [
    '1b1479ca2394eec5820f',
    '9652d9027dc8977d892a',
    'e4dc01a37c78d108ccda',
    '9d650d7eac24f1bd78fa',
    'b299bd46a7ba24b9a521',
  ],
}
const pause = () => Promise.resolve()

test('the draw of the docs holds', async () => {
  const known = { commitment: RECORD.bag.commitment, entryId: '9d650d7eac24f1bd78fa' }
  expect(await checkDraw(RECORD, known, pause)).toEqual([])
})

test('one digit altered anywhere fails', async () => {
  const text = JSON.stringify(RECORD)
  const digits = [...text.matchAll(/(?<=[0-9a-f]{8})[0-9a-f]/g)].map(({ index }) => index)
  for (const at of digits.filter((_, number) => number % 7 === 0)) {
    const other = text[at] === '0' ? '1' : '0'
    const changed = JSON.parse(text.slice(0, at) + other + text.slice(at + 1)) as DrawRecord
    expect(await checkDraw(changed, {}, pause), `character ${at}`).not.toEqual([])
  }
})

test('each fault has a name', async () => {
  const { bag, entry_ids } = RECORD
  const check = (record: DrawRecord, known = {}) => checkDraw(record, known, pause)
  expect(await check(RECORD, { commitment: '00' })).toEqual(['other_commitment'])
  expect(await check(RECORD, { entryId: 'ffffffffffffffffffff' })).toEqual(['missing'])
  expect(await check({ bag, entry_ids: [...entry_ids].reverse() })).toContain('list')
  expect(await check({ bag, entry_ids: [...entry_ids, entry_ids[0]!] })).toContain('twice')
  const winners = [...bag.winners].reverse()
  expect(await check({ bag: { ...bag, winners }, entry_ids })).toEqual(['winners'])
  expect(await check({ bag: { ...bag, seed: 'xyz' }, entry_ids })).toEqual(['record'])
  expect(await check({} as DrawRecord)).toEqual(['record'])
})

test('hexadecimal and base64 are those of everybody', () => {
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      expect(fromHex(toHex(bytes))).toEqual(bytes)
      expect(toBase64(bytes)).toBe(btoa(String.fromCharCode(...bytes)))
    }),
  )
  expect(fromHex('abc')).toBeNull()
})

const MADE = process.env['DRAW_RECORD']

test.runIf(MADE)('a draw of the service holds', async () => {
  expect(await checkDraw(JSON.parse(MADE!) as DrawRecord, {}, pause)).toEqual([])
  console.log('the draw holds')
})
