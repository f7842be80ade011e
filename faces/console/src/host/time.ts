/** The service's clock, for countdowns. It ticks while somebody looks at it. */

import { Clock } from '@core/clock.ts'
import { onScopeDispose, type ShallowRef, shallowRef } from 'vue'

import { answer, api } from '../api/client.ts'
import { platform } from './platform.ts'

const TICK_MS = 100
const AGAIN_MS = 60_000

const clock = new Clock(platform.timers, async () => {
  try {
    return (await answer(api.GET('/v1/time'))).server_ms
  } catch {
    return null
  }
})
const now = shallowRef(0)
let users = 0
let timer = 0
let syncedAt = -Infinity

function tick(): void {
  if (performance.now() - syncedAt > AGAIN_MS) {
    syncedAt = performance.now()
    void clock.sync()
  }
  now.value = clock.read()?.ms ?? 0
}

/** Milliseconds by the service's clock; 0 before its first answer. Use it in `setup`. */
export function useServerTime(): ShallowRef<number> {
  if (users++ === 0) {
    tick()
    timer = window.setInterval(tick, TICK_MS)
  }
  onScopeDispose(() => {
    if (--users === 0) window.clearInterval(timer)
  })
  return now
}
