/** A list in pages of somebody who is logged in, as a screen needs it. */

import { onPullDownRefresh, onReachBottom, onShow } from '@dcloudio/uni-app'
import { type ComputedRef, type Ref, computed, ref } from 'vue'

import type { Answer } from '@core/answers'
import { type Listed, type Page, Pages } from '@core/pages'

import { useCell } from './cells'
import { isKnown } from './services'
import { explain, say } from './texts'

export interface ShownList<T> {
  readonly list: Readonly<Ref<Listed<T>>>
  /** Why nothing came, or nothing new; empty if all is well. */
  readonly fault: ComputedRef<string>
  readonly isStranger: Readonly<Ref<boolean>>
  load(): Promise<void>
}

const LIMIT = 20

type Asked = { readonly limit: number; readonly after?: string }

/**
 * The list of a page: anew when it is shown or pulled down, the next part at its end. `ask` asks for
 * one part. uni-app finds these hooks here too; only those of sharing must be in the page itself.
 */
export function usePages<T>(
  ask: (query: Asked) => Promise<Answer<Page<T>>>,
  idOf: (row: T) => string,
): ShownList<T> {
  const pages = new Pages<T>(
    (after) => ask(after ? { after, limit: LIMIT } : { limit: LIMIT }),
    idOf,
  )
  const list = useCell(() => pages.state)
  const isStranger = ref(false)

  async function load(): Promise<void> {
    isStranger.value = !(await isKnown())
    if (!isStranger.value) await pages.reload()
  }

  onShow(() => void load())
  onReachBottom(() => void pages.more())
  onPullDownRefresh(() => void load().finally(() => uni.stopPullDownRefresh()))
  return {
    list,
    isStranger,
    fault: computed(() => {
      const { fault } = list.value
      if (fault === null) return ''
      return fault.problem === null ? say('offline') : explain(fault.problem).text
    }),
    load,
  }
}
