import { expect, test } from 'vitest'

import { BEGIN_MS, RoomPicture, STALL_MS, waysOf } from '../../core/room/picture.ts'
import { Run, Screen, World } from '../twins/world.ts'

const play = { hls: 'h', flv: 'f' }
const BOTH = waysOf('auto', play, true)

function open() {
  const world = new World()
  const screen = new Screen()
  const picture = new RoomPicture({ timers: new Run(world), visibility: screen, chance: () => 0.5 })
  return { world, screen, picture, now: () => picture.state.get() }
}

test('the ladder is live-player, video, cover; the settings may leave out a rung', () => {
  expect(BOTH.map(({ way }) => way)).toEqual(['live_player', 'video'])
  expect(waysOf('auto', play, false)).toEqual([{ way: 'video', url: 'h' }])
  expect(waysOf('video', play, true)).toEqual([{ way: 'video', url: 'h' }])
  expect(waysOf('live_player', { hls: null, flv: 'f' }, false)).toEqual([])
  expect(waysOf('none', play, true)).toEqual([])
})

test('a way that fails or never begins gives way to the next, then to the cover', async () => {
  const { world, picture, now } = open()
  picture.set(BOTH, true)
  expect(now().source?.way).toBe('live_player')
  picture.failed(now().attempt)
  expect(now()).toMatchObject({ source: { way: 'video' }, isMoving: false })
  picture.failed(now().attempt - 1) // the old element still complains
  expect(now().source?.way).toBe('video')
  await world.run(BEGIN_MS + 1)
  expect(now()).toMatchObject({ source: null, isMissing: true })
})

test('pictures that stand still are no pictures; the best way is tried again', async () => {
  const { world, picture, now } = open()
  picture.set(BOTH.slice(1), true)
  picture.moved(now().attempt)
  expect(now().isMoving).toBe(true)
  for (let second = 0; second < 30; second += 1) {
    await world.run(1_000)
    picture.moved(now().attempt)
  }
  expect(now().isMoving).toBe(true)
  await world.run(STALL_MS + 1)
  expect(now().isMissing).toBe(true)
  await world.run(5_000)
  expect(now().source?.way).toBe('video')
})

test('only a live room that somebody sees loads pictures', async () => {
  const { world, screen, picture, now } = open()
  picture.set(BOTH, false)
  expect(now()).toMatchObject({ source: null, isMissing: false })
  picture.set(BOTH, true)
  screen.hide()
  expect(now().source).toBeNull()
  const { attempt } = now()
  await world.run(600_000)
  expect(now().attempt).toBe(attempt)
  screen.show()
  expect(now().source?.way).toBe('live_player')
  picture.set(BOTH, false) // paused
  await world.run(600_000)
  expect(now().source).toBeNull()
})

test('a room without addresses has a cover, and tries nothing', async () => {
  const { world, picture, now } = open()
  picture.set([], true)
  const { attempt } = now()
  await world.run(600_000)
  expect(now()).toMatchObject({ source: null, isMissing: true, attempt })
})
