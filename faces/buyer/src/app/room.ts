/** One room on the screen: its line, comments and picture, drawn four times a second at most. */

import { type Ref, shallowRef } from 'vue'

import { CommentRows } from '@core/room/comments'
import type { LinkState } from '@core/room/link'
import type { DropView } from '@core/room/messages'
import { type PictureState, RoomPicture, type Source, waysOf } from '@core/room/picture'
import { Paced } from '@core/paced'
import type { Voice } from '@core/room/voice'

import { hearLine } from './line'
import { platform } from './platform'
import type { Sellable } from './selling'
import { api, openRoom, shopConfig } from './services'

/** A draw of a mini-program is three setData: of the page, of the rows, and where they scroll. */
let flushMs = 250
let canLivePlayer = false
// #ifdef MP-WEIXIN
flushMs = 750
canLivePlayer = true
// #endif

export interface OpenedRoom {
  readonly state: Readonly<Ref<LinkState>>
  readonly picture: Readonly<Ref<PictureState>>
  readonly pictures: RoomPicture
  readonly comments: CommentRows
  readonly voice: Voice
  readonly leave: () => void
}

/** A drop as a room shows it. */
export function sellableOf(drop: DropView): Sellable {
  return { ...drop, state: drop.phase }
}

export function enterRoom(roomId: string): OpenedRoom {
  const { link, voice, leave } = openRoom(roomId)
  const paced = new Paced(link.state, platform.timers, flushMs)
  const pictures = new RoomPicture(platform)
  const comments = new CommentRows()
  const state = shallowRef(paced.get())
  const picture = shallowRef(pictures.state.get())
  let ways: readonly Source[] = []
  let lines: Readonly<Record<string, string>> = {}

  const show = (next: LinkState): void => {
    state.value = next
    const { shown, standing } = next
    if (shown !== null) comments.hear(shown.comments)
    if (shown !== null && shown.lines !== lines) {
      const before = lines
      lines = shown.lines
      const changed = Object.keys(lines).filter((id) => lines[id] !== before[id])
      for (const dropId of changed) hearLine(dropId)
    }
    const isOver = standing === 'over' || standing === 'banned' || standing === 'refused'
    pictures.set(ways, shown?.room.state === 'live' && !isOver)
  }
  const stops = [
    link.state.watch(({ line }) => {
      if (line === null) voice.lose()
    }),
    paced.watch(show),
    pictures.state.watch((next) => (picture.value = next)),
  ]
  void findWays(roomId).then((found) => {
    ways = found
    show(paced.get())
  })
  return {
    state,
    picture,
    pictures,
    comments,
    voice,
    leave: () => {
      for (const stop of stops) stop()
      paced.stop()
      pictures.stop()
      leave()
    },
  }
}

/** How this room may be played; none if nobody says it now: then the cover stays. */
async function findWays(roomId: string): Promise<readonly Source[]> {
  const [config, answer] = await Promise.all([
    shopConfig(),
    api.ask('get', '/v1/rooms/{room_id}', { path: { room_id: roomId } }),
  ])
  if (config === null || answer.kind !== 'good') return []
  return waysOf(config.player.mode, answer.body.play, canLivePlayer)
}
