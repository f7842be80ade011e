/** What drops are called: figures have ids only. */

import { shallowReactive, watch } from 'vue'

import { answer, api, type Schemas } from '../api/client.ts'
import { may } from '../session.ts'
import { feed } from './feed.ts'

export type Drop = Schemas['Drop']
export const known = shallowReactive(new Map<string, Drop>())

const PAGES = 5
const REST_MS = 5_000
let askedAt = -REST_MS
let isAsking = false

export function titleOf(dropId: string): string {
  return known.get(dropId)?.title ?? dropId
}

/** Read what the newest drops are called. Never throws: ids are shown meanwhile. */
export async function learn(): Promise<void> {
  if (isAsking || performance.now() - askedAt < REST_MS || !may('drop.read')) return
  isAsking = true
  askedAt = performance.now()
  try {
    let after = ''
    for (let page = 0; page < PAGES; page += 1) {
      const found = await answer(
        api.GET('/v1/admin/drops', { params: { query: { after, limit: 100 } } }),
      )
      for (const drop of found.drops) known.set(drop.drop_id, drop)
      if (found.next === null) break
      after = found.next
    }
  } catch {
    // shown by id until the next attempt
  } finally {
    isAsking = false
  }
}

export function followTitles(): void {
  watch(
    () => feed.figures,
    (figures) => {
      if (figures?.drops.drops?.some((drop) => !known.has(drop.drop_id))) void learn()
    },
  )
}
