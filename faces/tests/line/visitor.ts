/** A phone that visits a line of a twin, over a network that may lose and delay. */

import { Api } from '../../core/api.ts'
import { KnownLines } from '../../core/line/known.ts'
import type { LineSeen } from '../../core/line/phase.ts'
import { LineVisit } from '../../core/line/visit.ts'
import type { HttpAnswer, HttpRequest } from '../../core/platform.ts'
import { RequestQueue } from '../../core/queue.ts'
import type { LineTwin } from '../twins/line.ts'
import { Memory, Run, Screen, type World } from '../twins/world.ts'

/** What happens to the next request: lost on its way, its answer lost, or how late both are. */
export type Fate = 'lost' | 'unheard' | number

export function visitor(world: World, twin: LineTwin, memory = new Memory(), buyer = 'ann') {
  const run = new Run(world)
  const screen = new Screen()
  const asked: string[] = []
  const seen: LineSeen[] = []
  const network = { fates: [] as Fate[], isDown: false }
  const http = {
    send: (request: HttpRequest) => {
      asked.push(`${request.method} ${request.url.replace('http://x/v1/drops/d1/', '')}`)
      const fate = network.isDown ? 'lost' : (network.fates.shift() ?? 20)
      const ms = typeof fate === 'number' ? fate : 20
      const answer = new Promise<HttpAnswer | null>((done) => {
        if (fate === 'lost') return void world.after(ms, () => done(null))
        world.after(ms, () => {
          const [status, body] = twin.answer(request, buyer)
          const text = JSON.stringify(body)
          world.after(ms, () => done(fate === 'unheard' ? null : { status, headers: {}, text }))
        })
      })
      return { answer, cancel: () => {} }
    },
  }
  const known = new KnownLines(memory, buyer)
  const visit = new LineVisit('d1', {
    platform: { timers: run, visibility: screen, chance: () => 0.5 },
    api: new Api(new RequestQueue(http, run), 'http://x', () => 'token'),
    known,
    solver: { solve: () => Promise.resolve({ kind: 'solved', altcha: 'solution' }) },
    logIn: () => Promise.resolve(true),
  })
  visit.state.watch((state) => seen.push(state))
  visit.start()
  const kill = (): void => {
    visit.stop()
    run.kill()
  }
  return { visit, known, memory, asked, seen, network, screen, kill, now: () => visit.state.get() }
}
