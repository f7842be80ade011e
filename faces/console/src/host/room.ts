/** One room as its host sees it: what viewers see, the whole shelf, and how alive the line is. */

import { Api } from '@core/api.ts'
import { openPollLine } from '@core/room/poll_line.ts'
import { openSocketLine } from '@core/room/socket_line.ts'
import { type LinkState, RoomLink } from '@core/room/link.ts'
import { RequestQueue } from '@core/queue.ts'
import { computed, onScopeDispose, shallowRef, watch } from 'vue'

import { answer, api, type Schemas } from '../api/client.ts'
import { explain } from '../deeds/explain.ts'
import { may, resume, session } from '../session.ts'
import { platform } from './platform.ts'
import { isHostedHere } from './seat.ts'

const SHELF_AGAIN_MS = 250
const BEAT_MS = 10_000

const polls = new Api(new RequestQueue(platform.http, platform.timers), window.location.origin, () => null)
const address = window.location.origin.replace(/^http/, 'ws')

export type Item = Schemas['ItemView']

/** Use it in `setup`; the line closes with the screen. */
export function useRoom(roomId: string) {
  const isHosting = computed(() => may('room.run') && isHostedHere(roomId))
  const link = new RoomLink(roomId, {
    platform,
    openSocket: (request) => openSocketLine(platform, address, request, isHosting.value ? 'host/socket' : 'socket'),
    openPoll: (request) => openPollLine(polls, request),
    token: () => null,
    logIn: async () => {
      await resume().catch(() => undefined)
      return session.value !== null
    },
  })
  const state = shallowRef<LinkState>(link.state.get())
  const shelf = shallowRef<Schemas['Shelf'] | null>(null)
  const fault = shallowRef('')
  const shown = computed(() => state.value.shown)

  async function readShelf(): Promise<void> {
    try {
      shelf.value = await answer(api.GET('/v1/rooms/{room_id}/shelf', { params: { path: { room_id: roomId } } }))
      fault.value = ''
    } catch (error) {
      fault.value = explain(error)
    }
  }

  /** A change that the answer tells before the event does. */
  function take(found: Schemas['Shelf']): void {
    if (shelf.value === null || found.version >= shelf.value.version) shelf.value = found
  }

  const stopWatching = link.state.watch((found) => (state.value = found))
  link.start()
  void readShelf()

  let again = 0
  watch(() => shown.value?.room.version, (version) => {
    if (version === undefined || version === shelf.value?.version) return
    window.clearTimeout(again)
    again = window.setTimeout(() => void readShelf(), SHELF_AGAIN_MS)
  })
  watch(isHosting, () => link.replace())

  // Where sockets do not work, heartbeats go by HTTP.
  const beats = window.setInterval(() => {
    const onAir = ['live', 'paused', 'abnormal'].includes(shown.value?.room.state ?? '')
    if (!isHosting.value || !onAir || state.value.line === 'socket') return
    void api.POST('/v1/rooms/{room_id}/heartbeat', { params: { path: { room_id: roomId } }, body: {} }).catch(() => undefined)
  }, BEAT_MS)

  onScopeDispose(() => {
    window.clearInterval(beats)
    window.clearTimeout(again)
    stopWatching()
    link.stop()
  })
  return { state, shown, shelf, fault, isHosting, take, readShelf }
}

export type HostedRoom = ReturnType<typeof useRoom>
