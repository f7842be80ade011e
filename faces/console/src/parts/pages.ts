/** A list that comes in pages: the first anew for each question, the others below. */

import { shallowRef } from 'vue'

import { explain } from '../deeds/explain.ts'

export interface Page<T> {
  readonly rows: readonly T[]
  readonly next: string | null
}

export function usePages<T>(ask: (after: string) => Promise<Page<T>>) {
  const rows = shallowRef<readonly T[]>([])
  const next = shallowRef<string | null>(null)
  const fault = shallowRef('')
  const isBusy = shallowRef(false)
  let question = 0

  async function load(after: string): Promise<void> {
    const mine = ++question
    isBusy.value = true
    try {
      const page = await ask(after)
      if (mine !== question) return // somebody has asked something else meanwhile
      rows.value = after === '' ? page.rows : [...rows.value, ...page.rows]
      next.value = page.next
      fault.value = ''
    } catch (error) {
      if (mine === question) fault.value = explain(error)
    } finally {
      if (mine === question) isBusy.value = false
    }
  }

  return { rows, next, fault, isBusy, begin: () => load(''), more: () => load(next.value ?? '') }
}
