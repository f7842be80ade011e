/** What the console says, in two languages: one table, `table.json`, as `key: [zh, en]`. */

import type { Language } from '@core/formats.ts'
import { shallowRef, watchEffect } from 'vue'

import table from './table.json'

export type Key = keyof typeof table

const KEPT = 'livesale.language'

function first(): Language {
  const kept = localStorage.getItem(KEPT)
  if (kept === 'zh' || kept === 'en') return kept
  return navigator.language.startsWith('zh') ? 'zh' : 'en'
}

export const language = shallowRef<Language>(first())

watchEffect(() => {
  document.documentElement.lang = language.value === 'zh' ? 'zh-CN' : 'en'
})

export function speak(wanted: Language): void {
  localStorage.setItem(KEPT, wanted)
  language.value = wanted
}

/** The text of a key; `{name}` in it is replaced. */
export function t(key: Key, values: Readonly<Record<string, string | number>> = {}): string {
  const text = table[key][language.value === 'zh' ? 0 : 1] ?? key
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole))
}

/** The text of a key that is made of a code; the code itself where the table has none. */
export function word(prefix: 'state' | 'role' | 'outcome' | 'case' | 'stage' | 'refund' | 'payment' | 'event', code: string): string {
  const key = `${prefix}.${code}`
  return key in table ? t(key as Key) : code
}
