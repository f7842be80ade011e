/** "Check the draw": reads the public record of a bag, and recomputes it on this phone. */

import type { Problem } from '../answers.ts'
import type { Api, Schemas } from '../api.ts'
import { type DrawFault, type DrawRecord, checkDraw } from '../checks/draw.ts'
import type { KnownBag } from './known.ts'

export type BagRecord = Schemas['BagRecord']

export type Checked =
  | { readonly kind: 'lost' }
  | { readonly kind: 'problem'; readonly problem: Problem }
  /** There is nothing to check yet, or nobody could win. */
  | { readonly kind: 'undrawn' }
  | {
      readonly kind: 'checked'
      readonly faults: readonly DrawFault[]
      readonly record: BagRecord
      readonly entries: number
      /** From before the draw; without them the check says less. */
      readonly known: KnownBag
    }

export async function checkBag(
  api: Api,
  roomId: string,
  bagId: string,
  known: KnownBag,
  pause: () => Promise<void>,
): Promise<Checked> {
  const answer = await api.ask('get', '/v1/rooms/{room_id}/bags/{bag_id}', {
    path: { room_id: roomId, bag_id: bagId },
    timeoutMs: 30_000, // a list of 50,000 has a megabyte
  })
  if (answer.kind === 'lost') return { kind: 'lost' }
  if (answer.kind === 'problem') return { kind: 'problem', problem: answer.problem }
  const record = answer.body
  if (record.bag?.state !== 'drawn') return { kind: 'undrawn' }
  const faults = await checkDraw(record as unknown as DrawRecord, known, pause)
  return { kind: 'checked', faults, record, entries: record.entry_ids?.length ?? 0, known }
}
