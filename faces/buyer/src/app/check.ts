/** A check that this phone computes: one at a time, with what came of it. */

import { type Ref, type ShallowRef, ref, shallowRef } from 'vue'

import { pause } from '@core/platform'
import type { Problem } from '@core/answers'

import { platform } from './platform'
import { explain, say } from './texts'

export interface CheckRow {
  readonly text: string
  /** Null: this phone cannot say. */
  readonly isRight: boolean | null
}

/** Of all rows: right, wrong, or `open` while nothing could be computed. */
export type Verdict = 'right' | 'wrong' | 'open'

export interface Check<T> {
  readonly isChecking: Readonly<Ref<boolean>>
  readonly found: Readonly<ShallowRef<T | null>>
  check(): Promise<void>
}

/** `compute` breathes between its slices, so that the screen goes on. */
export function useCheck<T>(compute: (breath: () => Promise<void>) => Promise<T>): Check<T> {
  const isChecking = ref(false)
  const found = shallowRef<T | null>(null)
  return {
    isChecking,
    found,
    async check() {
      if (isChecking.value) return
      isChecking.value = true
      found.value = await compute(() => pause(platform.timers, 0))
      isChecking.value = false
    },
  }
}

/** Why nothing could be computed; empty if it was not that. */
export function troubleOf(found: { kind: string; problem?: Problem } | null): string {
  if (found?.kind === 'lost') return say('check_lost')
  return found?.problem === undefined ? '' : explain(found.problem).text
}
