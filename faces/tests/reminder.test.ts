import { expect, test } from 'vitest'

import { Api } from '../core/api.ts'
import type { HttpAnswer, HttpRequest } from '../core/platform.ts'
import { RequestQueue } from '../core/queue.ts'
import { type Consent, Reminder } from '../core/reminder.ts'
import { Run, World } from './twins/world.ts'

const VIEW = {
  kind: 'room',
  target_id: 'r1',
  state: 'none',
  begins_ms: 1,
  remind_ms: 1,
  template_id: 'T1',
}

/** A service that has at most one reminder, and loses the answers whose number is in `lost`. */
function open(consent: Consent, lost: number[] = [], refusal: object | null = null) {
  const world = new World()
  const run = new Run(world)
  const asked: string[] = []
  const templates: string[] = []
  let state = 'none'
  const http = {
    send: ({ method }: HttpRequest) => {
      asked.push(method)
      const isLost = lost.includes(asked.length)
      if (method === 'PUT' && refusal === null) state = 'waiting'
      if (method === 'DELETE') state = 'none'
      const body = method === 'PUT' && refusal ? refusal : { ...VIEW, state }
      const status = method === 'PUT' && refusal ? 409 : 200
      const answer = new Promise<HttpAnswer | null>((done) =>
        world.after(20, () =>
          done(isLost ? null : { status, headers: {}, text: JSON.stringify(body) }),
        ),
      )
      return { answer, cancel: () => {} }
    },
  }
  const reminder = new Reminder('room', 'r1', {
    platform: { timers: run, chance: () => 0.5 },
    api: new Api(new RequestQueue(http, run), 'http://x', () => 'token'),
    askConsent: (templateId) => {
      templates.push(templateId)
      return Promise.resolve(consent)
    },
  })
  return { world, reminder, asked, templates, now: () => reminder.state.get() }
}

test('the template is there before the tap, and WeChat is asked in the tap itself', async () => {
  const { world, reminder, templates } = open('accepted')
  reminder.tap() // too early: nothing is asked
  expect(templates).toEqual([])
  void reminder.load()
  await world.run(100)
  reminder.tap()
  expect(templates).toEqual(['T1']) // nothing was awaited
})

test('"set" is only what the service said, also when answers are lost', async () => {
  const { world, reminder, asked, now } = open('accepted', [2, 3])
  void reminder.load()
  await world.run(100)
  reminder.tap()
  await world.run(300)
  expect(now()).toMatchObject({ isAsking: true, view: { state: 'none' } })
  reminder.tap() // a second tap while it asks is lost
  await world.run(10_000)
  expect(now()).toMatchObject({ isAsking: false, view: { state: 'waiting' } })
  expect(asked).toEqual(['GET', 'PUT', 'PUT', 'PUT'])
  reminder.tap() // cancels
  await world.run(100)
  expect(now().view?.state).toBe('none')
})

test('without consent nothing is set; a refusal is said', async () => {
  const refused = open('refused')
  void refused.reminder.load()
  await refused.world.run(100)
  refused.reminder.tap()
  await refused.world.run(100)
  expect(refused.now()).toMatchObject({ consent: 'refused', isAsking: false })
  expect(refused.asked).toEqual(['GET'])

  const code = { type: '', title: '', status: 409, code: 'too_many_reminders' }
  const full = open('accepted', [], code)
  void full.reminder.load()
  await full.world.run(100)
  full.reminder.tap()
  await full.world.run(100)
  expect(full.now().problem?.code).toBe('too_many_reminders')
})
