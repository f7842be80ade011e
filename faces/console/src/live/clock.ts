/** One ticking clock for all ages on the screen: it turns with the figures, and by itself without them. */

import { onScopeDispose, type ShallowRef, shallowRef } from 'vue'

const TICK_MS = 500
const LATE_MS = 1_300
const now = shallowRef(performance.now())
let users = 0
let timer = 0

function tick(): void {
  // Figures that come once a second turn it: to draw the ages beside them costs the page twice as much.
  if (performance.now() - now.value > LATE_MS) turn()
}

/** It is now: called when figures arrive, so that all of the screen is drawn at once. */
export function turn(): void {
  now.value = performance.now()
}

/** Milliseconds since the page was loaded, about a second exact. Use it in `setup`. */
export function useNow(): ShallowRef<number> {
  if (users++ === 0) {
    turn()
    timer = window.setInterval(tick, TICK_MS)
  }
  onScopeDispose(() => {
    if (--users === 0) window.clearInterval(timer)
  })
  return now
}
