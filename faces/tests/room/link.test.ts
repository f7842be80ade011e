import { expect, test } from 'vitest'

import { readClose } from '../../core/room/socket_line.ts'
import { openViewer } from './viewer.ts'

test('a viewer sees the room, then its events', async () => {
  const { world, room, link } = openViewer()
  expect(link.state.get().standing).toBe('connecting')
  await world.run(100)
  room.say('hello')
  await world.run(100)
  expect(link.state.get()).toMatchObject({ standing: 'live', line: 'socket' })
  expect(link.state.get().shown?.comments).toMatchObject([{ text: 'hello' }])
})

test('after a break it comes back with its place, and misses nothing', async () => {
  const { world, room, channel, link } = openViewer()
  await world.run(100)
  channel.cut(1006, '')
  expect(link.state.get().standing).toBe('reconnecting')
  room.say('meanwhile')
  await world.run(2_000)
  expect(link.state.get()).toMatchObject({ standing: 'live' })
  expect(link.state.get().shown?.comments).toHaveLength(1)
  expect(channel.opened).toBe(2)
})

test('a restart is waited for as long as the service says', async () => {
  const { world, channel } = openViewer()
  await world.run(100)
  channel.cut(1012, '{"reason":"restart","retry_ms":5000}')
  await world.run(4_900)
  expect(channel.opened).toBe(1)
  await world.run(2_600) // and up to half of that more, so that not all come at once
  expect(channel.opened).toBe(2)
})

test('where no socket works, polls take over, and sockets are tried again', async () => {
  const { world, room, channel, link } = openViewer({ noSockets: true })
  await world.run(5_000)
  expect(link.state.get()).toMatchObject({ standing: 'live', line: 'poll' })
  room.say('by poll')
  await world.run(200)
  expect(link.state.get().shown?.comments).toHaveLength(1)
  // A try that fails is not seen
  const standings = new Set<string>()
  link.state.watch(({ standing }) => standings.add(standing))
  const { opened } = channel
  await world.run(100_000)
  expect([channel.opened, [...standings]]).toEqual([opened + 1, ['live']])
  channel.noSockets = false
  await world.run(120_000)
  expect(link.state.get()).toMatchObject({ standing: 'live', line: 'socket' })
})

test('a silent socket is asked, then replaced', async () => {
  const { world, channel, link } = openViewer()
  await world.run(100)
  channel.isDown = true // the phone does not know it
  await world.run(29_000)
  expect(link.state.get().standing).toBe('reconnecting')
  channel.isDown = false
  await world.run(60_000)
  expect(link.state.get().standing).toBe('live')
})

test('a quiet room keeps its socket', async () => {
  const { world, channel } = openViewer()
  await world.run(300_000)
  expect(channel.opened).toBe(1)
})

test('showing the app replaces the line, with the place; hiding stops the timers', async () => {
  const { world, room, channel, screen, link } = openViewer()
  await world.run(100)
  screen.hide()
  channel.cut(1006, '')
  await world.run(600_000)
  expect(channel.opened).toBe(1)
  room.say('while hidden')
  screen.show()
  await world.run(100)
  expect(link.state.get().standing).toBe('live')
  expect(link.state.get().shown?.comments).toHaveLength(1)
  screen.show()
  await world.run(100)
  expect([channel.opened, channel.mostLive]).toEqual([3, 1])
})

test('a room that has ended, and a ban, are final', async () => {
  for (const [reason, standing] of [
    ['room_over', 'over'],
    ['banned', 'banned'],
  ] as const) {
    const { world, channel, screen, link } = openViewer()
    await world.run(100)
    channel.cut(4410, reason)
    screen.show()
    await world.run(60_000)
    expect([link.state.get().standing, channel.opened]).toEqual([standing, 1])
  }
})

test('a room that is over before it opens is said by the poll', async () => {
  const { world, channel, link } = openViewer({ noSockets: true })
  channel.problem = { status: 410, code: 'room_over' }
  await world.run(10_000)
  expect(link.state.get().standing).toBe('over')
})

test('a token goes in the first frame; a refused one is renewed, or left out', async () => {
  const known = openViewer({ token: 'old', logsIn: true })
  await known.world.run(100)
  expect(known.channel.heard).toEqual([{ type: 'hello', token: 'old' }])
  expect(known.link.state.get().personId).toBe('p1')
  known.channel.cut(4401, 'unauthenticated')
  await known.world.run(1_000)
  expect(known.channel.heard.at(-1)).toEqual({ type: 'hello', token: 'new' })

  const stranger = openViewer({ token: 'old' })
  await stranger.world.run(100)
  stranger.channel.cut(4401, 'unauthenticated')
  await stranger.world.run(1_000)
  expect(stranger.link.state.get().standing).toBe('live')
  expect(stranger.channel.heard).toHaveLength(1)
})

test('who logs in while the room is open says so on the line that is open', async () => {
  const { world, channel, link, become } = openViewer()
  become('early')
  link.introduce() // before the socket is open
  await world.run(100)
  expect(channel.heard).toEqual([{ type: 'hello', token: 'early' }])

  const late = openViewer()
  await late.world.run(100)
  late.become('late')
  late.link.introduce()
  await late.world.run(100)
  expect(late.channel.heard).toEqual([{ type: 'hello', token: 'late' }])
  expect([late.channel.opened, late.link.state.get().personId]).toEqual([1, 'p1'])
  // Another person needs another line: a hello is said once.
  late.become('another')
  late.link.introduce()
  await late.world.run(100)
  expect(late.channel.heard.at(-1)).toEqual({ type: 'hello', token: 'another' })
  expect([late.channel.opened, late.channel.mostLive]).toEqual([2, 1])
})

test('a fault of this face is not repeated: polls take over', async () => {
  const { world, channel, link } = openViewer()
  await world.run(100)
  channel.cut(4400, 'bad_frame')
  await world.run(2_000)
  expect([channel.opened, link.state.get().line]).toEqual([1, 'poll'])
})

test('a comment is answered, or its end is unknown', async () => {
  const { world, channel, voice } = openViewer({ token: 't' })
  await world.run(100)
  const said = voice.say('hello')
  await world.run(100)
  expect(await said).toEqual({ kind: 'said', commentId: 1 })
  channel.isDown = true
  const lost = voice.say('hello?')
  await world.run(10_000)
  expect(await lost).toEqual({ kind: 'unknown' })
})

test('taps on the heart are gathered, twenty a frame', async () => {
  const { world, channel, voice } = openViewer({ token: 't' })
  await world.run(100)
  for (let tap = 0; tap < 33; tap += 1) voice.like()
  await world.run(3_000)
  expect(channel.heard.slice(1)).toEqual([
    { type: 'like', count: 20 },
    { type: 'like', count: 13 },
  ])
})

test('a message without a number is no event, and no gap', async () => {
  const { world, channel, link } = openViewer()
  channel.tellAll({ type: 'mine', place: 'p', read_again: true, events: [] })
  await world.run(100)
  channel.tellAll({ type: 'mine', place: 'p', read_again: false, events: [] })
  await world.run(100)
  expect([link.state.get().standing, channel.opened]).toEqual(['live', 1])
})

test('a close says its reason, as a word, as JSON, or by its code', () => {
  expect(readClose(1012, '{"reason":"restart","retry_ms":250}')).toEqual({
    why: 'restart',
    waitMs: 250,
  })
  expect(readClose(4408, 'too_slow')).toEqual({ why: 'too_slow' })
  expect(readClose(4403, '')).toEqual({ why: 'banned' })
  expect(readClose(1006, '')).toEqual({ why: 'broken' })
})
