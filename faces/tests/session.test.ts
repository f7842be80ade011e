import { expect, test } from 'vitest'

import { Api } from '../core/api.ts'
import { RequestQueue } from '../core/queue.ts'
import { Session } from '../core/session.ts'
import { Memory, Run, World } from './twins/world.ts'

function open(status = 201) {
  const world = new World()
  const run = new Run(world)
  const storage = new Memory()
  let asked = 0
  const session = new Session(storage, run, () => {
    asked += 1
    return Promise.resolve({ provider: 'dev', code: `c${asked}` })
  })
  const sent: string[] = []
  const http = {
    send: ({ body }: { body: string | null }) => {
      sent.push(body ?? '')
      const known = { token: 't', buyer_id: 'b', expires_ms: run.wall() + 3_600_000 }
      const text = JSON.stringify(status === 201 ? known : { code: 'invalid_code' })
      return { answer: Promise.resolve({ status, headers: {}, text }), cancel: () => {} }
    },
  }
  const api = new Api(new RequestQueue(http, run), '', () => session.token())
  return { world, run, storage, session, api, sent }
}

test('callers at the same time share one login, because a code works once', async () => {
  const { session, api, sent } = open()
  expect(await Promise.all([session.logIn(api), session.logIn(api)])).toEqual([true, true])
  expect(sent).toEqual(['{"provider":"dev","code":"c1"}'])
  expect([session.token(), session.buyerId()]).toEqual(['t', 'b'])
})

test('a token is known after a start, and not after its end', async () => {
  const { world, run, storage, session, api } = open()
  await session.logIn(api)
  const again = new Session(storage, run, () => Promise.resolve(null))
  expect(again.token()).toBe('t')
  await world.run(3_600_000)
  expect(again.token()).toBeNull()
})

test('a refused token is forgotten; a refused login is no login', async () => {
  const { session, storage, api } = open()
  await session.logIn(api)
  session.drop('other')
  expect(session.token()).toBe('t')
  session.drop('t')
  expect([session.token(), session.buyerId(), storage.texts.size]).toEqual([null, 'b', 0])
  const refused = open(401)
  expect(await refused.session.logIn(refused.api)).toBe(false)
})
