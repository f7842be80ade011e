/**
 * The rooms that are hosted from this browser. A page that is loaded anew takes its seat again.
 *
 * The service knows which rooms a person hosts, from whatever browser; this browser, which of them it
 * keeps on the air: a phone that only looks keeps none.
 */

import { shallowReactive } from 'vue'

import { answer, api } from '../api/client.ts'

const KEPT = 'livesale.hosts'
const MOST = 20

function kept(): string[] {
  try {
    const found: unknown = JSON.parse(localStorage.getItem(KEPT) ?? '[]')
    return Array.isArray(found) ? found.filter((each): each is string => typeof each === 'string') : []
  } catch {
    return []
  }
}

const seats = shallowReactive(new Set(kept()))

export function isHostedHere(roomId: string): boolean {
  return seats.has(roomId)
}

export function host(roomId: string, hosts: boolean): void {
  seats.delete(roomId)
  if (hosts) seats.add(roomId)
  localStorage.setItem(KEPT, JSON.stringify([...seats].slice(-MOST)))
  const params = { path: { room_id: roomId } }
  const asked = hosts ? api.PUT('/v1/rooms/{room_id}/seat', { params }) : api.DELETE('/v1/rooms/{room_id}/seat', { params })
  void answer<unknown>(asked).catch(() => undefined) // only the list of one's rooms depends on it
}
