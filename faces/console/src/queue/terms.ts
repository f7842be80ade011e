/** The terms of a line as they are typed in, what is wrong with them, and what is done with them. */

import { answer, api, type Schemas } from '../api/client.ts'
import { commandLine } from '../deeds/command.ts'
import type { Target } from '../deeds/drop.ts'
import { explain } from '../deeds/explain.ts'
import { tell } from '../deeds/notices.ts'
import { count, span } from '../texts/formats.ts'
import { t } from '../texts/texts.ts'
import { fileOf } from './record.ts'

export type Mode = Schemas['LineMode']
export type OperatorLine = Schemas['OperatorLine']
export const MODES: readonly Mode[] = ['turns', 'draw', 'waitlist']

/** `turn` is in seconds for turns, and in minutes where units are held to be paid. */
export interface Terms {
  mode: Mode
  turn: number | ''
  rate: number | ''
  capacity: number | ''
  /** Days since the first login of who enters, at least; 0: everybody may. */
  days: number | ''
}

/** The service refuses what is beyond these, too. */
const MOST_RATE = 100_000
const MOST_PLACES = 10_000_000
const MOST_ENTRIES = 500_000
const MOST_TURN_S = 600
const MOST_PAY_MIN = 10_080
const MOST_DAYS = 366
const DAY_S = 86_400

const unitMs = (mode: Mode): number => (mode === 'turns' ? 1_000 : 60_000)
export const mostTurn = (mode: Mode): number => (mode === 'turns' ? MOST_TURN_S : MOST_PAY_MIN)
export const mostPlaces = (mode: Mode): number => (mode === 'draw' ? MOST_ENTRIES : MOST_PLACES)
export const turnMs = (terms: Terms): number => Number(terms.turn) * unitMs(terms.mode)

export function newTerms(mode: Mode = 'turns'): Terms {
  return { mode, turn: mode === 'turns' ? 120 : 15, rate: 200, capacity: mode === 'draw' ? MOST_ENTRIES : 1_000_000, days: 0 }
}

export function termsOf(line: OperatorLine): Terms {
  return { mode: line.mode, turn: line.turn_ms / unitMs(line.mode), rate: line.rate_per_s, capacity: line.capacity, days: line.account_age_s / DAY_S }
}

export function bodyOf(terms: Terms): Schemas['NewLine'] {
  return { mode: terms.mode, turn_ms: Math.round(turnMs(terms)), rate_per_s: Number(terms.rate), capacity: Number(terms.capacity), account_age_s: Math.round(Number(terms.days) * DAY_S) }
}

const isWhole = (value: number | '', most: number): boolean => Number.isInteger(value) && Number(value) >= 1 && Number(value) <= most

/** What is wrong, by field, in words; empty while all is right. */
export function faultsOf(terms: Terms): Partial<Record<'turn' | 'rate' | 'capacity' | 'days', string>> {
  const most = mostTurn(terms.mode)
  const isTurn = typeof terms.turn === 'number' && turnMs(terms) >= 1_000 && terms.turn <= most
  return {
    ...(isTurn ? {} : { turn: t('queue.badturn', { low: 1, high: count(most) }) }),
    ...(isWhole(terms.rate, MOST_RATE) ? {} : { rate: t('queue.badnumber', { high: count(MOST_RATE) }) }),
    ...(isWhole(terms.capacity, mostPlaces(terms.mode)) ? {} : { capacity: t('queue.badnumber', { high: count(mostPlaces(terms.mode)) }) }),
    ...(typeof terms.days === 'number' && terms.days >= 0 && terms.days <= MOST_DAYS ? {} : { days: t('queue.badturn', { low: 0, high: MOST_DAYS }) }),
  }
}

export function about(terms: Terms): string {
  const rule = t(`queue.about.${terms.mode}`, { turn: span(turnMs(terms)), rate: count(Number(terms.rate)) })
  const who = Number(terms.days) > 0 ? [t('queue.about.age', { age: span(Number(terms.days) * DAY_S * 1_000) })] : []
  return [rule, ...who, t('queue.about.places', { places: count(Number(terms.capacity)) })].join(' ')
}

/** The calls that put it there: a drop that sells without tickets is changed first. */
export function commandsOf(drop: Schemas['Drop'], terms: Terms): string[] {
  const change = `PATCH /v1/admin/drops/${drop.drop_id} ${JSON.stringify({ version: drop.version ?? 1, ticket_required: true })}`
  const put = `POST /v1/admin/drops/${drop.drop_id}/line ${JSON.stringify(bodyOf(terms))}`
  return [...(drop.ticket_required ? [] : [change]), put].map(commandLine)
}

const asTarget = (drop: Schemas['Drop']): Target => ({ id: drop.drop_id, title: drop.title })
const pathOf = (id: string) => ({ params: { path: { drop_id: id } } })

async function sellByTickets(id: string, wanted: boolean): Promise<void> {
  const now = await answer(api.GET('/v1/admin/drops/{drop_id}', pathOf(id)))
  if (now.ticket_required === wanted) return
  await answer(api.PATCH('/v1/admin/drops/{drop_id}', { ...pathOf(id), body: { version: now.version ?? 1, ticket_required: wanted } }))
}

/** Put a line in front, or change its terms; undo while it is a draft. True if it is done. */
export async function putLine(drop: Schemas['Drop'], terms: Terms, before: OperatorLine | null): Promise<boolean> {
  const command = commandsOf(drop, terms).join('\n')
  const id = drop.drop_id
  try {
    await sellByTickets(id, true)
    const after = await answer(api.POST('/v1/admin/drops/{drop_id}/line', { ...pathOf(id), body: bodyOf(terms) }))
    const back = async (): Promise<void> => {
      if (before !== null) return void (await putLine({ ...drop, ticket_required: true }, termsOf(before), null))
      if (await removeLine(drop, null) && !drop.ticket_required) await sellByTickets(id, false)
    }
    const text = before === null ? t('queue.did.set', { title: drop.title, mode: t(`queue.mode.${terms.mode}`) }) : t('queue.did.changed', { title: drop.title })
    tell({ kind: 'done', text, command, ...(after.state === 'draft' ? { undo: back } : {}) })
    return true
  } catch (fault) {
    tell({ kind: 'wrong', text: explain(fault), command })
    return false
  }
}

/** Take a draft away; with `line` it can be undone. True if it is done. */
export async function removeLine(drop: Schemas['Drop'], line: OperatorLine | null): Promise<boolean> {
  const { id, title } = asTarget(drop)
  const command = `DELETE /v1/admin/drops/${id}/line`
  try {
    await answer(api.DELETE('/v1/admin/drops/{drop_id}/line', pathOf(id)))
    const undo = line === null ? {} : { undo: async () => void (await putLine(drop, termsOf(line), null)) }
    tell({ kind: 'done', text: t('queue.did.removed', { title }), command, ...undo })
    return true
  } catch (fault) {
    tell({ kind: 'wrong', text: explain(fault), command })
    return false
  }
}

export function checkCommand(id: string, line: { readonly mode: Mode; readonly commitment: string }): string {
  return `livesale line check ${fileOf(id, line.mode)} --commitment ${line.commitment}`
}
