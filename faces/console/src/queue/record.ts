/** What was published of a line or of a draw: as a file, and checked here, as buyers check it. */

import { checkLine, checkLineDraw, type LineDrawRecord, type LineFault, type OpenLine } from '@core/checks/line.ts'

import { answer, api } from '../api/client.ts'
import { saveFile } from '../parts/save.ts'
import type { Mode } from './terms.ts'

async function read(id: string, mode: Mode): Promise<OpenLine | LineDrawRecord> {
  const options = { params: { path: { drop_id: id } } }
  return mode === 'draw'
    ? ((await answer(api.GET('/v1/drops/{drop_id}/draw', options))) as LineDrawRecord)
    : ((await answer(api.GET('/v1/drops/{drop_id}/line', options))) as OpenLine)
}

export const fileOf = (id: string, mode: Mode): string => `${mode === 'draw' ? 'draw' : 'line'}-${id}.json`

export async function download(id: string, mode: Mode): Promise<void> {
  saveFile(new Blob([JSON.stringify(await read(id, mode))], { type: 'application/json' }), fileOf(id, mode))
}

/** What is wrong with it; nothing: it holds. */
export async function check(id: string, mode: Mode, commitment: string): Promise<readonly LineFault[]> {
  const record = await read(id, mode)
  const pause = (): Promise<void> => new Promise((done) => window.setTimeout(done, 0))
  const found = mode === 'draw'
    ? await checkLineDraw(record as LineDrawRecord, { commitment }, pause)
    : checkLine(record as OpenLine, { commitment })
  return found.faults
}
