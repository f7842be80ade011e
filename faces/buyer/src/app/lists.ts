/** A list in pages of somebody who is logged in, as a screen needs it. */

import { type ComputedRef, type Ref, computed, ref } from 'vue'

import type { Listed, Pages } from '@core/pages'

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

export function usePages<T>(pages: Pages<T>): ShownList<T> {
  const list = useCell(() => pages.state)
  const isStranger = ref(false)
  return {
    list,
    isStranger,
    fault: computed(() => {
      const { fault } = list.value
      if (fault === null) return ''
      return fault.problem === null ? say('offline') : explain(fault.problem).text
    }),
    async load() {
      isStranger.value = !(await isKnown())
      if (!isStranger.value) await pages.reload()
    },
  }
}
