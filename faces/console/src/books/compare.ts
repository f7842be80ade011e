/** Both sides of the books of many drops, asked a few at a time; and which promise a difference breaks. */

import { shallowRef } from 'vue'

import { answer, api, Refused, type Schemas } from '../api/client.ts'
import { explain } from '../deeds/explain.ts'

export type Books = Schemas['DropBooks']
export const SIDES = ['allotted', 'available', 'held', 'sold', 'burned'] as const

export interface Compared {
  readonly dropId: string
  readonly state: string
  readonly books: Books | null
  readonly fault: string
  /** The promise that is broken, or an empty text. */
  readonly promise: string
}

const AT_ONCE = 4
const MOST = 100

/** I1: the counters of one side add up. I3: SQL and the rest of the log are what Redis has. */
export function promiseOf(books: Books): string {
  if (books.ok) return ''
  const { allotted = 0, available = 0, held = 0, sold = 0, burned = 0 } = books.redis
  const isBalanced = allotted === available + held + sold + burned && Math.min(available, held, sold, burned) >= 0
  return isBalanced ? 'I3' : 'I1'
}

async function compare(dropId: string, state: string): Promise<Compared> {
  try {
    const books = await answer(api.GET('/v1/admin/drops/{drop_id}/books', { params: { path: { drop_id: dropId } } }))
    return { dropId, state: books.state, books, fault: '', promise: promiseOf(books) }
  } catch (error) {
    const isBroken = error instanceof Refused && error.problem.code === 'books_broken'
    return { dropId, state, books: null, fault: explain(error), promise: isBroken ? 'I1' : '' }
  }
}

export function useBooks() {
  const rows = shallowRef<readonly Compared[]>([])
  const fault = shallowRef('')
  const readAt = shallowRef(0)
  const more = shallowRef(false)
  let isReading = false

  async function read(): Promise<void> {
    if (isReading) return
    isReading = true
    try {
      const page = await answer(api.GET('/v1/admin/cockpit/drops', { params: { query: { limit: MOST } } }))
      more.value = page.next !== null
      const found: Compared[] = []
      const waiting = page.drops.map((drop) => [drop.drop_id, drop.state] as const)
      for (let at = 0; at < waiting.length; at += AT_ONCE) {
        found.push(...(await Promise.all(waiting.slice(at, at + AT_ONCE).map(([id, state]) => compare(id, state)))))
      }
      rows.value = found.sort((one, other) => Number(other.promise !== '') - Number(one.promise !== ''))
      readAt.value = performance.now()
      fault.value = ''
    } catch (error) {
      fault.value = explain(error)
    } finally {
      isReading = false
    }
  }
  return { rows, fault, readAt, more, read }
}
