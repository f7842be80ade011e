/** A viewer of a model room: link, queue and clock as in the app. */

import { Api } from '../../core/api.ts'
import { RequestQueue } from '../../core/queue.ts'
import { RoomLink } from '../../core/room/link.ts'
import { openPollLine } from '../../core/room/poll_line.ts'
import { openSocketLine } from '../../core/room/socket_line.ts'
import { Voice } from '../../core/room/voice.ts'
import { Channel } from '../twins/channel.ts'
import { ModelRoom } from '../twins/room.ts'
import { Run, Screen, World } from '../twins/world.ts'

export function openViewer(options: { token?: string; logsIn?: boolean; noSockets?: boolean } = {}) {
  const world = new World()
  const room = new ModelRoom(() => world.now)
  const channel = new Channel(world, room)
  channel.noSockets = options.noSockets ?? false
  const run = new Run(world)
  const screen = new Screen()
  let token = options.token ?? null
  const api = new Api(new RequestQueue(channel, run), 'http://x', () => token)
  const platform = { timers: run, visibility: screen, chance: () => 0.5, sockets: channel }
  let logins = 0
  const link = new RoomLink('r1', {
    platform,
    openSocket: (request) => openSocketLine(platform, 'ws://x', request),
    openPoll: (request) => openPollLine(api, request),
    token: () => token,
    logIn: () => {
      logins += 1
      token = options.logsIn ? 'new' : null
      return Promise.resolve(options.logsIn ?? false)
    },
    heardAnswer: (message) => voice.hear(message),
  })
  const voice = new Voice('r1', api, run, (frame) => link.send(frame))
  link.start()
  const become = (next: string): void => void (token = next)
  return { world, room, channel, screen, link, voice, become, logins: () => logins }
}
