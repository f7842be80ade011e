import { expect, test } from 'vitest'

import type { HttpAnswer, HttpRequest } from '../core/platform.ts'
import { Stop } from '../core/platform.ts'
import { RequestQueue } from '../core/queue.ts'
import { Run, World } from './twins/world.ts'

function open() {
  const world = new World()
  const flying: { url: string; end: (answer: HttpAnswer | null) => void; isCancelled: boolean }[] = []
  const http = {
    send({ url }: HttpRequest) {
      const one = { url, end: (_: HttpAnswer | null): void => {}, isCancelled: false }
      const answer = new Promise<HttpAnswer | null>((done) => (one.end = done))
      flying.push(one)
      return { answer, cancel: () => (one.isCancelled = true) }
    },
  }
  const queue = new RequestQueue(http, new Run(world))
  const ask = (url: string) => ({ method: 'GET', url, headers: {}, body: null })
  return { world, flying, queue, ask }
}

const DONE = { status: 200, headers: {}, text: '{}' }

test('a purchase leaves at once while pictures wait', async () => {
  const { world, flying, queue, ask } = open()
  for (let at = 0; at < 20; at += 1) void queue.send(ask(`picture ${at}`), 'show', 1_000)
  expect(flying).toHaveLength(7)
  for (let at = 0; at < 5; at += 1) void queue.send(ask(`buy ${at}`), 'buy', 1_000)
  expect(flying.slice(7).map(({ url }) => url)).toEqual(['buy 0', 'buy 1', 'buy 2'])
  flying[0]!.end(DONE)
  await world.run(1)
  expect(flying[10]?.url).toBe('buy 3') // before the next picture
  expect(queue.inFlight).toBe(10)
})

test('polls never take all slots of the others', async () => {
  const { flying, queue, ask } = open()
  for (let at = 0; at < 9; at += 1) void queue.send(ask('poll'), 'background', 1_000)
  expect(flying).toHaveLength(4)
  void queue.send(ask('page'), 'show', 1_000)
  expect(flying).toHaveLength(5)
})

test('no answer in time is lost, its slot is free, and a late answer is nothing', async () => {
  const { world, flying, queue, ask } = open()
  const answer = queue.send(ask('a'), 'show', 500)
  await world.run(600)
  expect(await answer).toBeNull()
  expect([flying[0]!.isCancelled, queue.inFlight]).toEqual([true, 0])
  flying[0]!.end(DONE)
  await world.run(1)
  expect(queue.inFlight).toBe(0)
})

test('a request that is stopped is cancelled, or never leaves', async () => {
  const { world, flying, queue, ask } = open()
  const stop = new Stop()
  const running = queue.send(ask('a'), 'background', 500, stop)
  for (let at = 0; at < 3; at += 1) void queue.send(ask('b'), 'background', 500)
  const waiting = queue.send(ask('c'), 'background', 500, stop)
  stop.stop()
  await world.run(600)
  expect(await Promise.all([running, waiting])).toEqual([null, null])
  expect(flying.map(({ url }) => url)).toEqual(['a', 'b', 'b', 'b'])
})
