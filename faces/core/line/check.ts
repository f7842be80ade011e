/** "Check it yourself": reads what was published, and computes the own position on this phone. */

import type { Problem } from '../answers.ts'
import type { Api } from '../api.ts'
import {
  type KnownPlace,
  type LineDrawRecord,
  type LineFault,
  type OpenLine,
  checkLine,
  checkLineDraw,
} from '../checks/line.ts'
import type { KnownLine } from './known.ts'

export type CheckedPlace =
  | { readonly kind: 'lost' }
  | { readonly kind: 'problem'; readonly problem: Problem }
  /** The order is not published yet. */
  | { readonly kind: 'early' }
  | {
      readonly kind: 'checked'
      readonly faults: readonly LineFault[]
      /** Computed on this phone; null without a place. */
      readonly position: number | null
      readonly isDraw: boolean
      /** People whose order was shuffled or drawn. */
      readonly people: number
      /** Came after the opening: behind all of them, in the order of joining. */
      readonly isLate: boolean
      readonly seed: string
      readonly commitment: string
      readonly known: KnownLine
    }

export async function checkPlace(
  api: Pick<Api, 'ask'>,
  dropId: string,
  known: KnownLine,
  pause: () => Promise<void>,
): Promise<CheckedPlace> {
  const path = { drop_id: dropId }
  const answer = await api.ask('get', '/v1/drops/{drop_id}/line', { path })
  if (answer.kind !== 'good') return missing(answer)
  const line = answer.body
  if (!line.seed || line.n0 === null) return { kind: 'early' }
  const isLate = known.index !== undefined && known.index >= line.n0
  const place: KnownPlace = {
    ...(known.commitment === undefined ? {} : { commitment: known.commitment }),
    ...(known.position === undefined ? {} : { position: known.position }),
  }
  const about = { kind: 'checked', isLate, seed: line.seed, known } as const
  const shown = { people: line.n0, commitment: line.commitment }
  if (line.mode !== 'draw' || isLate) {
    const mine = known.index === undefined ? place : { ...place, index: known.index }
    const checked = checkLine(line as OpenLine, mine)
    return { ...about, ...shown, ...checked, isDraw: line.mode === 'draw' }
  }
  const drawn = await api.ask('get', '/v1/drops/{drop_id}/draw', { path, timeoutMs: 60_000 })
  if (drawn.kind === 'problem' && drawn.problem.code === 'draw_pending') return { kind: 'early' }
  if (drawn.kind !== 'good') return missing(drawn)
  const record = drawn.body as LineDrawRecord
  const mine = known.entryId === undefined ? place : { ...place, entryId: known.entryId }
  const checked = await checkLineDraw(record, mine, pause)
  return { ...about, ...shown, ...checked, people: record.entry_ids.length, isDraw: true }
}

function missing(
  answer: { readonly kind: 'lost' } | { readonly kind: 'problem'; readonly problem: Problem },
): CheckedPlace {
  return answer.kind === 'lost' ? answer : { kind: 'problem', problem: answer.problem }
}
