/** Binds what the core watches to Vue. */

import { onHide, onShow } from '@dcloudio/uni-app'
import { type Ref, onUnmounted, ref, shallowRef, watch } from 'vue'

import type { Watched } from '@core/cell'
import { type Reading, whenDue } from '@core/clock'

import { clock } from './services'
import { platform } from './platform'

/** The value of the cell that `source` names, also when it names another one later. */
export function useCell<T>(source: () => Watched<T>): Readonly<Ref<T>> {
  const shown = shallowRef(source().get())
  let stop = (): void => {}
  watch(
    source,
    (cell) => {
      stop()
      shown.value = cell.get()
      stop = cell.watch((value) => (shown.value = value))
    },
    { immediate: true },
  )
  onUnmounted(() => stop())
  return shown
}

const shownNow = shallowRef<Reading | null>(null)
let readers = 0
let ticking: ReturnType<typeof setInterval> | undefined

/** The service's clock, ten times a second while app and page are shown: one timer for all who read
 * it. A page under another one stands still. Null before the first answer. */
export function useNow(): Readonly<Ref<Reading | null>> {
  shownNow.value = clock.read()
  const seen = shallowRef(shownNow.value)
  let isOnTop = true
  watch(shownNow, (now) => {
    if (isOnTop) seen.value = now
  }, { flush: 'sync' })
  onShow(() => {
    isOnTop = true
    seen.value = shownNow.value = clock.read()
  })
  onHide(() => (isOnTop = false))
  readers += 1
  ticking ??= setInterval(() => {
    if (platform.visibility.isShown()) shownNow.value = clock.read()
  }, 100)
  onUnmounted(() => {
    readers -= 1
    if (readers > 0) return
    clearInterval(ticking)
    ticking = undefined
  })
  return seen
}

const JITTER_MS = 150
const jitter = platform.chance() * JITTER_MS // of this phone: all its buttons open together

/** Whether a time of the service has come, with a little jitter, so that not all tap at once. */
export function useDue(ms: () => number): Readonly<Ref<boolean>> {
  const isDue = ref(false)
  let stop = (): void => {}
  watch(
    ms,
    (at) => {
      stop()
      isDue.value = false
      stop = whenDue(clock, platform.timers, at, () => (isDue.value = true), jitter)
    },
    { immediate: true },
  )
  onUnmounted(() => stop())
  return isDue
}
