/** One ticking clock for all ages on the screen. */

import { onScopeDispose, type ShallowRef, shallowRef } from 'vue'

const TICK_MS = 500
const now = shallowRef(performance.now())
let users = 0
let timer = 0

/** Milliseconds since the page was loaded, half a second exact. Use it in `setup`. */
export function useNow(): ShallowRef<number> {
  if (users++ === 0) {
    now.value = performance.now()
    timer = window.setInterval(() => (now.value = performance.now()), TICK_MS)
  }
  onScopeDispose(() => {
    if (--users === 0) window.clearInterval(timer)
  })
  return now
}
