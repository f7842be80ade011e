/** The rooms that are hosted from this browser. A page that is loaded anew takes its seat again. */

import { shallowReactive } from 'vue'

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
}
