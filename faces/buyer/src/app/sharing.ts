/** The share card of a room, with what is true now: viewers, and the drop that the host shows. */

import type { Schemas } from '@core/api'
import { type Language, crowd, money } from '@core/formats'
import type { Shown } from '@core/room/state'

import { api } from './services'

export type ShareCard = Schemas['ShareCard']

/** Null while it cannot be read. Its code never changes. */
export async function shareCard(roomId: string): Promise<ShareCard | null> {
  const answer = await api.ask('get', '/v1/rooms/{room_id}/share', { path: { room_id: roomId } })
  return answer.kind === 'good' ? answer.body : null
}

/** The room of a code: `scene` of the mini-program's code, or of a link. */
export async function roomOfScene(scene: string): Promise<string | null> {
  const path = { share_code: decodeURIComponent(scene) }
  const answer = await api.ask('get', '/v1/shares/{share_code}', { path })
  return answer.kind === 'good' ? answer.body.room.room_id : null
}

/** What others read: no number that is not known. */
export function shareTitle(shown: Shown | null, language: Language): string {
  if (shown === null) return ''
  const { room, people, items, drops } = shown
  const item = items.find(({ item_id }) => item_id === room.pinned)
  const drop = item?.drop_id ? drops[item.drop_id] : undefined
  const isZh = language === 'zh'
  const parts: string[] = []
  if (room.state === 'live' && people.online > 1) {
    parts.push(`${crowd(people.online, language)} ${isZh ? '人正在看' : 'watching'}`)
  }
  if (drop?.phase === 'open' && drop.remaining > 0) {
    const left = isZh ? `剩 ${drop.remaining}` : `${drop.remaining} left`
    parts.push(`${drop.title} ${money(drop.price_fen)} ${left}`)
  }
  return [room.title, ...parts].join(' · ')
}
