/** What a host can do: each deed once at a time, with its call, and its way back where there is one. */

import { shallowReactive } from 'vue'

import { answer, api, newKey, Refused, type Schemas } from '../api/client.ts'
import { adjust } from '../deeds/drop.ts'
import { explain } from '../deeds/explain.ts'
import { tell } from '../deeds/notices.ts'
import { may } from '../session.ts'
import { t } from '../texts/texts.ts'

/** Deeds under way: a second tap on the same thing does nothing. */
export const busy = shallowReactive(new Set<string>())

interface Deed<T> {
  /** What is busy meanwhile. */
  readonly of: string
  readonly command: string
  readonly text: string
  readonly undo?: () => Promise<unknown>
  readonly ask: () => Promise<T>
}

/** Do it, and say so; null if it was refused, or nobody knows. Never throws. */
export async function attempt<T>({ of, command, text, undo, ask }: Deed<T>): Promise<T | null> {
  if (busy.has(of)) return null
  busy.add(of)
  try {
    const found = await ask()
    const back = undo === undefined ? {} : { undo: async () => void (await undo()) }
    if (text !== '') tell({ kind: 'done', text, command, ...back })
    return found
  } catch (fault) {
    tell({ kind: 'wrong', text: explain(fault), command })
    return null
  } finally {
    busy.delete(of)
  }
}

export type Verb = 'start' | 'pause' | 'resume' | 'end' | 'ban' | 'unban'
type Shelf = Schemas['Shelf']

export function move(roomId: string, verb: Verb): Promise<Schemas['RoomView'] | null> {
  const options = { params: { path: { room_id: roomId } }, body: {} }
  const asks = {
    start: () => answer(api.POST('/v1/rooms/{room_id}/start', options)),
    pause: () => answer(api.POST('/v1/rooms/{room_id}/pause', options)),
    resume: () => answer(api.POST('/v1/rooms/{room_id}/resume', options)),
    end: () => answer(api.POST('/v1/rooms/{room_id}/end', options)),
    ban: () => answer(api.POST('/v1/rooms/{room_id}/ban', options)),
    unban: () => answer(api.POST('/v1/rooms/{room_id}/unban', options)),
  }
  const back: Partial<Record<Verb, Verb>> = { pause: 'resume', resume: 'pause', ban: 'unban' }
  const way = back[verb]
  return attempt({
    of: 'room', command: `POST /v1/rooms/${roomId}/${verb}`, text: t(`host.did.${verb}`), ask: asks[verb],
    ...(way === undefined ? {} : { undo: () => move(roomId, way) }),
  })
}

export function muteAll(roomId: string, muted: boolean): Promise<Schemas['RoomView'] | null> {
  const options = { params: { path: { room_id: roomId } }, body: {} }
  return attempt({
    of: 'muted', command: `POST /v1/rooms/${roomId}/${muted ? 'mute-all' : 'unmute-all'}`,
    text: muted ? t('host.did.muteall') : t('host.did.unmuteall'), undo: () => muteAll(roomId, !muted),
    ask: () => answer(muted ? api.POST('/v1/rooms/{room_id}/mute-all', options) : api.POST('/v1/rooms/{room_id}/unmute-all', options)),
  })
}

/** Put the shelf, as it was shown, into another order. What else changed in the room meanwhile does no harm. */
export function order(roomId: string, shown: Shelf, ids: readonly string[]): Promise<Shelf | null> {
  const params = { path: { room_id: roomId } }
  const put = (version: number): Promise<Shelf> =>
    answer(api.PUT('/v1/rooms/{room_id}/order', { params, body: { item_ids: [...ids], version } }))
  return attempt({
    of: 'order', command: `PUT /v1/rooms/${roomId}/order`, text: '',
    ask: async () => {
      try {
        return await put(shown.version)
      } catch (fault) {
        if (!(fault instanceof Refused) || fault.problem.code !== 'version_conflict') throw fault
        const now = await answer(api.GET('/v1/rooms/{room_id}/shelf', { params }))
        if (places(now) !== places(shown)) throw fault // somebody else has moved an item
        return await put(now.version)
      }
    },
  })
}

const places = ({ items }: Shelf): string => items.map((item) => item.item_id).join(' ')

export function pin(roomId: string, itemId: string, title: string): Promise<Shelf | null> {
  return attempt({
    of: 'pin', command: `POST /v1/rooms/${roomId}/items/${itemId}/pin`, text: t('host.did.pin', { title }),
    undo: () => unpin(roomId),
    ask: () => answer(api.POST('/v1/rooms/{room_id}/items/{item_id}/pin', { params: { path: { room_id: roomId, item_id: itemId } }, body: {} })),
  })
}

export function unpin(roomId: string): Promise<Shelf | null> {
  return attempt({
    of: 'pin', command: `POST /v1/rooms/${roomId}/unpin`, text: t('host.did.unpin'),
    ask: () => answer(api.POST('/v1/rooms/{room_id}/unpin', { params: { path: { room_id: roomId } }, body: {} })),
  })
}

export function showItem(roomId: string, item: Schemas['ItemView'], state: Schemas['ItemState']): Promise<Schemas['ItemView'] | null> {
  const was = item.state
  return attempt({
    of: item.item_id, command: `PATCH /v1/rooms/${roomId}/items/${item.item_id}`,
    text: t(`host.did.${state}`, { title: item.title }), undo: () => showItem(roomId, { ...item, state }, was),
    ask: () => answer(api.PATCH('/v1/rooms/{room_id}/items/{item_id}', { params: { path: { room_id: roomId, item_id: item.item_id } }, body: { state } })),
  })
}

export function putOnShelf(roomId: string, dropId: string, title: string): Promise<Schemas['ItemView'] | null> {
  return attempt({
    of: dropId, command: `POST /v1/rooms/${roomId}/items`, text: t('host.did.shelf', { title }),
    ask: () => answer(api.POST('/v1/rooms/{room_id}/items', { params: { path: { room_id: roomId } }, body: { drop_id: dropId, state: 'visible' } })),
  })
}

export type DropVerb = 'open' | 'pause' | 'resume' | 'close'

export function sell(roomId: string, drop: { readonly drop_id: string; readonly title: string }, verb: DropVerb, countdownS = 0): Promise<Schemas['Drop'] | null> {
  const params = { path: { room_id: roomId, drop_id: drop.drop_id } }
  const asks = {
    open: () => answer(api.POST('/v1/rooms/{room_id}/drops/{drop_id}/open', { params, body: { countdown_s: countdownS } })),
    pause: () => answer(api.POST('/v1/rooms/{room_id}/drops/{drop_id}/pause', { params, body: {} })),
    resume: () => answer(api.POST('/v1/rooms/{room_id}/drops/{drop_id}/resume', { params, body: {} })),
    close: () => answer(api.POST('/v1/rooms/{room_id}/drops/{drop_id}/close', { params, body: {} })),
  }
  const way = verb === 'pause' ? 'resume' : verb === 'resume' ? 'pause' : undefined
  return attempt({
    of: drop.drop_id, command: `POST /v1/rooms/${roomId}/drops/${drop.drop_id}/${verb}`,
    text: verb === 'open' ? t('host.did.open', { title: drop.title, seconds: countdownS }) : t(`did.${verb}`, { title: drop.title }),
    ask: asks[verb], ...(way === undefined ? {} : { undo: () => sell(roomId, drop, way) }),
  })
}

/** The key is that of the intention: sent twice, it counts once. */
export function restock(roomId: string, drop: { readonly drop_id: string; readonly title: string }, units: number, reason: string, key: string): Promise<Schemas['Adjustment'] | null> {
  return attempt({
    of: drop.drop_id, command: `POST /v1/rooms/${roomId}/drops/${drop.drop_id}/restock`,
    text: t('host.did.restock', { title: drop.title, units }),
    // Who hosts may add units; to scrap them is another right.
    ...(may('drop.adjust') ? { undo: () => adjust({ id: drop.drop_id, title: drop.title }, -units, t('undo.reason', { reason }), newKey()) } : {}),
    ask: () => answer(api.POST('/v1/rooms/{room_id}/drops/{drop_id}/restock', {
      params: { path: { room_id: roomId, drop_id: drop.drop_id }, header: { 'Idempotency-Key': key } }, body: { units, reason },
    })),
  })
}

export type Bar = 'mute' | 'ban'

export function bar(roomId: string, kind: Bar, person: { readonly person_id: string; readonly name: string }, seconds: number, reason: string): Promise<Schemas['BarView'] | null> {
  const options = { params: { path: { room_id: roomId } }, body: { person_id: person.person_id, seconds, ...(reason === '' ? {} : { reason }) } }
  return attempt({
    of: person.person_id, command: `POST /v1/rooms/${roomId}/${kind}s`, text: t(`host.did.${kind}person`, { name: person.name }),
    undo: () => lift(roomId, kind, person),
    ask: () => answer(kind === 'mute' ? api.POST('/v1/rooms/{room_id}/mutes', options) : api.POST('/v1/rooms/{room_id}/bans', options)),
  })
}

export function lift(roomId: string, kind: Bar, person: { readonly person_id: string; readonly name: string }): Promise<unknown> {
  const options = { params: { path: { room_id: roomId, person_id: person.person_id } } }
  return attempt<unknown>({
    of: person.person_id, command: `DELETE /v1/rooms/${roomId}/${kind}s/${person.person_id}`, text: t('host.did.lift', { name: person.name }),
    ask: () => kind === 'mute' ? answer(api.DELETE('/v1/rooms/{room_id}/mutes/{person_id}', options)) : answer(api.DELETE('/v1/rooms/{room_id}/bans/{person_id}', options)),
  })
}

export function removeComment(roomId: string, commentId: number): Promise<unknown> {
  return attempt<unknown>({
    of: `comment ${commentId}`, command: `DELETE /v1/rooms/${roomId}/comments/${commentId}`, text: t('host.did.delete'),
    ask: () => answer(api.DELETE('/v1/rooms/{room_id}/comments/{comment_id}', { params: { path: { room_id: roomId, comment_id: String(commentId) } } })),
  })
}
