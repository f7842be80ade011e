/** The platform of uni-app: the same calls in WeChat and in browsers. */

import type {
  HttpAnswer,
  HttpRequest,
  Platform,
  Sent,
  Socket,
  SocketEvents,
  Visibility,
} from '@core/platform'

export const platform: Platform = {
  timers: {
    elapsed: () => (typeof performance === 'undefined' ? Date.now() : performance.now()),
    wall: () => Date.now(),
    after(ms, run) {
      const timer = setTimeout(run, ms)
      return () => clearTimeout(timer)
    },
  },
  storage: {
    read: (name) => (uni.getStorageSync(name) as string | undefined) || null,
    write: (name, text) => uni.setStorageSync(name, text),
    remove: (name) => uni.removeStorageSync(name),
  },
  http: { send },
  sockets: { open },
  visibility: watchVisibility(),
  chance: () => Math.random(),
}

function send({ method, url, headers, body }: HttpRequest): Sent {
  let cancel = (): void => {}
  const answer = new Promise<HttpAnswer | null>((done) => {
    const task = uni.request({
      url,
      method: method as 'GET',
      header: { ...headers },
      ...(body === null ? {} : { data: body }),
      dataType: 'text',
      success: ({ statusCode, header, data }) =>
        done({ status: statusCode, headers: lowered(header), text: textOf(data) }),
      fail: () => done(null), // also "interrupted": the outcome is unknown
    }) as UniApp.RequestTask | undefined
    cancel = () => task?.abort()
  })
  return { answer, cancel: () => cancel() }
}

function open(url: string, events: SocketEvents): Socket {
  const task = uni.connectSocket({ url, complete: () => {} })
  let isOver = false
  const end = (code: number, reason: string): void => {
    if (isOver) return
    isOver = true
    events.closed(code, reason)
  }
  task.onOpen(() => events.opened())
  task.onMessage(({ data }) => events.heard(String(data)))
  task.onClose((close: { code?: number; reason?: string }) =>
    end(close?.code ?? 1006, close?.reason ?? ''),
  )
  task.onError(() => end(1006, ''))
  return {
    send: (data) => task.send({ data, fail: () => end(1006, '') }),
    close: () => {
      isOver = true
      task.close({})
    },
  }
}

function watchVisibility(): Visibility {
  let isShown = true
  const shows = new Set<() => void>()
  const hides = new Set<() => void>()
  uni.onAppShow(() => {
    isShown = true
    for (const run of [...shows]) run()
  })
  uni.onAppHide(() => {
    isShown = false
    for (const run of [...hides]) run()
  })
  return {
    isShown: () => isShown,
    onShow: (run) => add(shows, run),
    onHide: (run) => add(hides, run),
  }
}

function add(runs: Set<() => void>, run: () => void): () => void {
  runs.add(run)
  return () => runs.delete(run)
}

function lowered(headers: Record<string, string> | undefined): Record<string, string> {
  const found: Record<string, string> = {}
  for (const [name, value] of Object.entries(headers ?? {})) found[name.toLowerCase()] = value
  return found
}

function textOf(data: unknown): string {
  return typeof data === 'string' ? data : JSON.stringify(data)
}
