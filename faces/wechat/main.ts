/**
 * `node main.ts FOLDER ADDRESS LANGUAGE`: a phone with the mini-program of a folder on it. A test
 * drives it by lines of JSON: `{"id": 1, "do": "tap", "text": "…"}` is answered by `{"id": 1, …}`.
 * For what a person decides, it asks: `{"ask": 7, "name": "requestPayment", …}`.
 */

import { createInterface } from 'node:readline'

import FakeTimers from '@sinonjs/fake-timers'

import { App } from './app.ts'
import * as screen from './screen.ts'
import { PRIVATE, Phone } from './wx.ts'

type Json = Record<string, unknown>

const [folder = '', address = '', language = 'zh_CN'] = process.argv.slice(2)

const waiting = new Map<number, (answer: Json) => void>()
let asked = 0

function tell(line: Json): void {
  process.stdout.write(`${JSON.stringify(line)}\n`)
}

function ask(name: string, options: Json): Promise<Json> {
  asked += 1
  const number = asked
  tell({ ask: number, name, options })
  return new Promise((done) => waiting.set(number, done))
}

// The clock replaces all but the last, which it needs itself.
const realm = { setTimeout, clearTimeout, setInterval, clearInterval, Date, Promise }
const clock = FakeTimers.withGlobal(realm as typeof globalThis).install({
  now: Date.now(),
  shouldAdvanceTime: true,
  advanceTimeDelta: 10,
})
const { Promise: _promise, ...time } = realm
const logged: string[] = []
const log = (...said: unknown[]): void => void logged.push(said.map(String).join(' '))
const phone = new Phone(address, folder, ask, language)
const app = new App(
  folder,
  { ...time, wx: phone.wx, console: { log, info: log, warn: log, error: log, debug: log } },
  () => clock.now,
)
phone.app = app
process.on('unhandledRejection', (fault) => {
  app.faults.push(String((fault as Error | undefined)?.stack ?? fault))
})

const DEEDS: Record<string, (given: Json) => unknown> = {
  launch: () => {
    app.launch(app.own(phone.launchOptions()))
    app.open('pages/home/index')
  },
  open: ({ url }) => app.open(String(url)),
  back: () => app.close(),
  text: () => ({ text: screen.textOf(app), page: app.top?.path }),
  tap: ({ text, index }) => ({ done: screen.tap(app, String(text), Number(index ?? 0)) }),
  type: ({ placeholder, value }) => ({
    done: screen.type(app, String(placeholder), String(value)),
  }),
  attributes: ({ name }) => ({ values: screen.attributes(app, String(name)) }),
  hide: ({ frozen }) => phone.hide(frozen === true),
  show: () => phone.show(),
  inject: ({ frames }) => ({ heard: phone.inject(frames as string[]) }),
  /** From here on, time passes only by `pass`. */
  freeze: () => clock.setTickMode({ mode: 'manual' }),
  pass: async ({ ms }) => {
    await clock.tickAsync(Number(ms))
  },
  report: () => ({
    ...phone.counted,
    private: PRIVATE,
    faults: app.faults,
    logged,
    sets: app.sets,
    now: clock.now,
    storage: [...phone.storage.keys()],
  }),
}

createInterface({ input: process.stdin }).on('line', (line) => {
  const given = JSON.parse(line) as Json
  if (typeof given['ask'] === 'number') {
    waiting.get(given['ask'])?.(given['answer'] as Json)
    waiting.delete(given['ask'])
    return
  }
  const run = async (): Promise<void> => {
    try {
      const answer = (await DEEDS[String(given['do'])]?.(given)) ?? {}
      tell({ id: given['id'], ...(answer as Json) })
    } catch (fault) {
      tell({ id: given['id'], fault: String((fault as Error)?.stack ?? fault) })
    }
  }
  void run()
}).on('close', () => process.exit(0))
