/** The go/no-go list, asked twice a second while it is on the screen. */

import { onScopeDispose, shallowRef } from 'vue'

import { answer, api, type Schemas } from '../api/client.ts'
import { explain } from '../deeds/explain.ts'
import { span } from '../texts/formats.ts'
import { type Key, t } from '../texts/texts.ts'
import table from '../texts/table.json'

export type Light = Schemas['Light']

const EVERY_MS = 500
const OLD_MS = 2_000

export function useLights(query: () => { campaign_id: string; room_id: string }) {
  const list = shallowRef<Schemas['LaunchList'] | null>(null)
  const fault = shallowRef('')
  /** By the clock of the page: when the last list came. */
  const readAt = shallowRef(0)
  let timer = 0
  let isOver = false

  async function read(): Promise<void> {
    const asked = performance.now()
    try {
      const found = await answer(api.GET('/v1/admin/launch', { params: { query: query() } }))
      if (isOver) return
      list.value = found
      readAt.value = asked
      fault.value = ''
    } catch (error) {
      fault.value = explain(error)
    }
    if (!isOver) timer = window.setTimeout(() => void read(), EVERY_MS)
  }
  void read()
  onScopeDispose(() => {
    isOver = true
    window.clearTimeout(timer)
  })
  /** Whether it is true now: an old list is no list. */
  const isFresh = (nowMs: number): boolean => list.value !== null && nowMs - readAt.value < OLD_MS + EVERY_MS
  return { list, fault, readAt, isFresh }
}

/** What a light says, in the operator's language. */
export function say(light: Light): string {
  const key = `go.${light.code}`
  const facts = { ...light.facts } as Record<string, string | number>
  for (const name of ['age_ms', 'behind_ms'] as const) {
    if (typeof facts[name] === 'number') facts[name] = span(facts[name])
  }
  if (key in table) return t(`go.${light.code}` as Key, facts)
  const what = light.code.split('.')[1] ?? ''
  return `go.any.${what}` in table ? t(`go.any.${what}` as Key, facts) : light.code
}
