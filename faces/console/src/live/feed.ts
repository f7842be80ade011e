/**
 * The figures of the cockpit: by socket, once a second; by asking, while no socket opens.
 *
 * Each message replaces the one before it. What is shown keeps its age: that of the part when the
 * service sent it, and the time since then by a clock that nobody can set.
 */

import { backoffMs, RECONNECT } from '@core/backoff.ts'
import { shallowReactive, shallowRef, watch } from 'vue'

import type { components } from '../../../types/messages.ts'
import { answer, api } from '../api/client.ts'
import { may, resume, session } from '../session.ts'
import { turn } from './clock.ts'
import { History } from './history.ts'

type Messages = components['schemas']
export type Figures = Messages['Figures']
export type DropFigure = Messages['DropFigure']

export type Line = 'connecting' | 'socket' | 'polling' | 'lost'

export const feed = shallowReactive({
  figures: null as Figures | null,
  arrivedAt: 0,
  line: 'connecting' as Line,
})
export const history = new History()
/** Rises with each message: what draws history depends on it. */
export const beat = shallowRef(0)

const POLL_MS = 2_000
const SILENT_MS = 5_000
const ENDED = new Set([4401, 4405])

let socket: WebSocket | null = null
let failures = 0
let retry = 0
let polling = 0
let heardAt = 0

function take(figures: Figures, line: Line): void {
  feed.figures = figures
  turn()
  feed.arrivedAt = performance.now()
  feed.line = line
  remember(figures)
  beat.value += 1
}

function remember(figures: Figures): void {
  const at = figures.server_ms
  const { requests, stores, rooms, drops } = figures
  history.of('reserve').add(at, requests.reserve?.per_s ?? 0)
  history.of('other').add(at, requests.other?.per_s ?? 0)
  history.of('p99').add(at, requests.reserve?.p99_ms ?? requests.other?.p99_ms ?? 0)
  history.of('errors').add(at, (requests.errors ?? []).reduce((sum, each) => sum + each.per_s, 0))
  history.of('lag').add(at, stores.lag_entries ?? 0)
  history.of('viewers').add(at, (rooms.rooms ?? []).reduce((sum, room) => sum + (room.online ?? 0), 0))
  history.of('left').add(at, (drops.drops ?? []).reduce((sum, drop) => sum + drop.remaining, 0))
  const names = new Set<string>()
  for (const drop of drops.drops ?? []) {
    for (const kind of ['remaining', 'held', 'sold'] as const) {
      const name = `drop ${drop.drop_id} ${kind}`
      names.add(name)
      history.of(name).add(at, drop[kind])
    }
    for (const kind of drop.line ? (['waiting', 'served'] as const) : []) {
      const name = `drop ${drop.drop_id} ${kind}`
      names.add(name)
      history.of(name).add(at, drop.line?.[kind] ?? 0)
    }
  }
  history.keep(names, 'drop ')
}

function open(): void {
  const { protocol, host } = window.location
  const scheme = protocol === 'https:' ? 'wss:' : 'ws:'
  const made = new WebSocket(`${scheme}//${host}/v1/admin/cockpit/socket`)
  socket = made
  heardAt = performance.now()
  made.onmessage = (event: MessageEvent<string>) => {
    if (socket !== made) return
    heardAt = performance.now()
    const message = JSON.parse(event.data) as { readonly type: string }
    if (message.type !== 'figures') return
    failures = 0
    stopPolling()
    take(message as Figures, 'socket')
  }
  made.onclose = (event) => {
    if (socket !== made) return
    socket = null
    if (ENDED.has(event.code)) {
      feed.line = 'lost'
      void resume().catch(() => undefined)
      return
    }
    failures += 1
    startPolling()
    retry = window.setTimeout(open, backoffMs(RECONNECT, failures, Math.random))
  }
}

/** A socket that has said nothing for a while is dead, whatever the browser thinks. */
function look(): void {
  if (socket !== null && performance.now() - heardAt > SILENT_MS) {
    const silent = socket
    socket = null
    silent.close()
    failures += 1
    startPolling()
    retry = window.setTimeout(open, backoffMs(RECONNECT, failures, Math.random))
  }
}

function startPolling(): void {
  if (polling === 0) {
    polling = window.setInterval(() => void poll(), POLL_MS)
    void poll()
  }
}

function stopPolling(): void {
  window.clearInterval(polling)
  polling = 0
}

async function poll(): Promise<void> {
  try {
    const figures = await answer(api.GET('/v1/admin/cockpit'))
    if (polling !== 0) take(figures as Figures, 'polling')
  } catch {
    if (polling !== 0) feed.line = 'lost'
  }
}

let watchdog = 0

function begin(): void {
  failures = 0
  open()
  watchdog = window.setInterval(look, 1_000)
}

function end(): void {
  window.clearTimeout(retry)
  window.clearInterval(watchdog)
  stopPolling()
  const last = socket
  socket = null
  last?.close()
  feed.figures = null
  feed.line = 'connecting'
}

/** Follow the session: watch while somebody is here who may. */
export function follow(): void {
  watch(
    () => session.value !== null && may('cockpit.read'),
    (watches) => (watches ? begin() : end()),
    { immediate: true },
  )
}
