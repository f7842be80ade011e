/**
 * A worker that solves one challenge. The same file runs in browsers and in WeChat, which names the
 * way to the screen differently.
 */

import { type Challenge, solve } from '@core/checks/altcha'

interface Asked {
  readonly challenge: Challenge
}

interface WeChatWorker {
  onMessage(run: (asked: Asked) => void): void
  postMessage(answer: object): void
}

declare const worker: WeChatWorker | undefined

const WORK = { now: () => Date.now(), pause: () => Promise.resolve(), wanted: () => true }

async function answer(asked: Asked, post: (answer: object) => void): Promise<void> {
  post({ altcha: await solve(asked.challenge, WORK) })
}

if (typeof worker !== 'undefined') {
  const screen = worker
  screen.onMessage((asked) => void answer(asked, (found) => screen.postMessage(found)))
} else {
  self.onmessage = (event: MessageEvent<Asked>) => {
    void answer(event.data, (found) => self.postMessage(found))
  }
}
