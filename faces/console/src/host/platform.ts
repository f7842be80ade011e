/**
 * The browser, as the core wants it.
 *
 * A host's page is never hidden for the core: it holds its line in a tab in the background, because
 * the line is what keeps the room on the air. It opens a new one when the network is back.
 */

import type { HttpRequest, Platform, Sent, Socket, SocketEvents } from '@core/platform.ts'

export const platform: Platform = {
  timers: {
    elapsed: () => performance.now(),
    wall: () => Date.now(),
    after(ms, run) {
      const timer = window.setTimeout(run, ms)
      return () => window.clearTimeout(timer)
    },
  },
  storage: {
    read: (name) => localStorage.getItem(name),
    write: (name, text) => localStorage.setItem(name, text),
    remove: (name) => localStorage.removeItem(name),
  },
  http: { send },
  sockets: { open },
  visibility: {
    isShown: () => true,
    onShow: (run) => listen('online', run),
    onHide: () => () => undefined,
  },
  chance: () => Math.random(),
}

function listen(name: string, run: () => void): () => void {
  window.addEventListener(name, run)
  return () => window.removeEventListener(name, run)
}

function send({ method, url, headers, body }: HttpRequest): Sent {
  const stop = new AbortController()
  const ask = async () => {
    const found = await fetch(url, { method, headers, body, signal: stop.signal })
    return { status: found.status, headers: Object.fromEntries(found.headers), text: await found.text() }
  }
  return { answer: ask().catch(() => null), cancel: () => stop.abort() }
}

function open(url: string, events: SocketEvents): Socket {
  const made = new WebSocket(url)
  made.onopen = () => events.opened()
  made.onmessage = (event: MessageEvent<string>) => events.heard(event.data)
  made.onclose = (event) => events.closed(event.code, event.reason)
  return {
    send: (text) => made.send(text),
    close: () => {
      made.onclose = made.onmessage = made.onopen = null
      made.close()
    },
  }
}
