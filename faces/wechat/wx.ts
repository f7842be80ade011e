/**
 * `wx`, as far as the buyer's face uses it: real requests and sockets with WeChat's bounds, and
 * answers of a test for what a person does. Every call is counted by name.
 */

import { Worker } from 'node:worker_threads'

import type { App } from './app.ts'

type Json = Record<string, unknown>
type Back = (answer: Json) => void

interface Options {
  success?: Back
  fail?: Back
  complete?: Back
  [name: string]: unknown
}

const REQUESTS = 10
const SOCKETS = 5
const VERBS = ['OPTIONS', 'GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'TRACE', 'CONNECT']

/** APIs that WeChat lets a mini-program call only if its privacy text names them. */
export const PRIVATE = [
  ...['getUserInfo', 'getUserProfile', 'getLocation', 'getFuzzyLocation', 'chooseLocation'],
  ...['choosePoi', 'startLocationUpdate', 'chooseAddress', 'chooseInvoice', 'chooseInvoiceTitle'],
  ...['getWeRunData', 'chooseImage', 'chooseMedia', 'chooseVideo', 'chooseMessageFile'],
  ...['startRecord', 'getRecorderManager', 'createCameraContext', 'openBluetoothAdapter'],
  ...['saveImageToPhotosAlbum', 'saveVideoToPhotosAlbum', 'addPhoneContact', 'addPhoneCalendar'],
  ...['addPhoneRepeatCalendar', 'getClipboardData', 'chooseLicensePlate', 'getPhoneNumber'],
  ...['authorize', 'openSetting', 'requirePrivacyAuthorize', 'startAccelerometer', 'startGyroscope'],
]

export interface Sent {
  readonly method: string
  readonly path: string
}

export interface Counted {
  readonly calls: Record<string, number>
  readonly unknown: string[]
  readonly requests: Sent[]
  mostRequests: number
  mostLogins: number
  mostSockets: number
  readonly sockets: string[]
  readonly toasts: string[]
}

/** What a test answers for a person: `login`, `requestPayment`, `showModal`, … */
export type Ask = (name: string, options: Json) => Promise<Json>

export type Wx = Record<string, unknown>

export class Phone {
  readonly counted: Counted = {
    calls: {},
    unknown: [],
    requests: [],
    mostRequests: 0,
    mostLogins: 0,
    mostSockets: 0,
    sockets: [],
    toasts: [],
  }
  readonly storage = new Map<string, string>()
  readonly wx: Wx
  app!: App
  private isFrozen = false // hidden for more than five seconds
  private readonly flying = new Set<() => void>()
  private readonly open = new Set<SocketTask>()
  private logins = 0
  private worker: Worker | null = null
  private readonly shows = new Set<Back>()
  private readonly hides = new Set<Back>()
  private readonly domain: string
  private readonly folder: string
  private readonly ask: Ask
  private readonly language: string

  constructor(domain: string, folder: string, ask: Ask, language: string) {
    this.domain = domain
    this.folder = folder
    this.ask = ask
    this.language = language
    const known = this.apis()
    for (const name of PRIVATE) known[name] ??= (options?: Options) => this.refuse(name, options)
    this.wx = new Proxy(known, {
      get: (target, name: string) => {
        const api = target[name]
        if (typeof api !== 'function') {
          if (api === undefined && typeof name === 'string') this.miss(name)
          return api
        }
        return (...given: unknown[]) => {
          this.counted.calls[name] = (this.counted.calls[name] ?? 0) + 1
          return api.apply(target, given) as unknown
        }
      },
    })
  }

  /** The app is hidden. `frozen`: for more than five seconds, so WeChat ends its requests. */
  hide(frozen: boolean): void {
    for (const run of [...this.hides]) run({})
    this.app.hide()
    this.isFrozen = frozen
    if (frozen) for (const end of [...this.flying]) end()
  }

  show(): void {
    this.isFrozen = false
    this.app.show(this.launchOptions())
    for (const run of [...this.shows]) run(this.app.own(this.launchOptions()))
  }

  /** A frame as if the service had sent it on the socket that is open. */
  inject(frames: readonly string[]): number {
    const task = [...this.open].at(-1)
    for (const frame of frames) task?.hear(frame)
    return task === undefined ? 0 : frames.length
  }

  launchOptions(): Json {
    return { path: 'pages/home/index', query: {}, scene: 1001, referrerInfo: {} }
  }

  private apis(): Wx {
    const done = (options?: Options, answer: Json = {}): void => this.succeed(options, answer)
    const window = {
      windowWidth: 390,
      windowHeight: 844,
      screenWidth: 390,
      screenHeight: 844,
      screenTop: 0,
      statusBarHeight: 47,
      pixelRatio: 3,
      safeArea: { left: 0, right: 390, top: 47, bottom: 810, width: 390, height: 763 },
    }
    const device = { brand: 'devtools', model: 'phone', platform: 'ios', system: 'iOS 17' }
    const base = {
      language: this.language,
      SDKVersion: '3.9.0',
      version: '8.0.50',
      theme: 'light',
      host: { env: 'WeChat', appId: 'wx' },
      enableDebug: false,
      fontSizeSetting: 16,
    }
    const system = { ...window, ...device, ...base }
    const own = <T>(value: T): T => this.app.own(value)
    const player = new Proxy({}, { get: () => () => {} })
    return {
      request: (options: Options) => this.request(options),
      connectSocket: (options: Options) => this.connect(options),
      login: (options: Options) => void this.login(options),
      checkSession: (options: Options) => done(options),
      requestPayment: (options: Options) => void this.person('requestPayment', options),
      requestSubscribeMessage: (options: Options) =>
        void this.person('requestSubscribeMessage', options),
      showModal: (options: Options) => void this.person('showModal', options),
      showActionSheet: (options: Options) => void this.person('showActionSheet', options),
      showToast: (options: Options) => {
        this.counted.toasts.push(String(options['title']))
        done(options)
      },
      hideToast: done,
      showLoading: done,
      hideLoading: done,
      setNavigationBarTitle: done,
      setNavigationBarColor: done,
      setBackgroundColor: done,
      setTabBarItem: done,
      setTabBarBadge: done,
      removeTabBarBadge: done,
      setKeepScreenOn: done,
      setClipboardData: done,
      stopPullDownRefresh: done,
      startPullDownRefresh: done,
      pageScrollTo: done,
      showShareMenu: done,
      hideShareMenu: done,
      updateShareMenu: done,
      vibrateShort: done,
      getNetworkType: (options?: Options) => done(options, { networkType: 'wifi' }),
      onNetworkStatusChange: () => {},
      getSystemInfoSync: () => own(system),
      getSystemInfo: (options?: Options) => done(options, system),
      getWindowInfo: () => own(window),
      getDeviceInfo: () => own(device),
      getAppBaseInfo: () => own(base),
      getSystemSetting: () => own({ deviceOrientation: 'portrait' }),
      getAppAuthorizeSetting: () => own({}),
      getMenuButtonBoundingClientRect: () =>
        own({ top: 51, right: 383, bottom: 83, left: 296, width: 87, height: 32 }),
      getAccountInfoSync: () => own({ miniProgram: { appId: 'wx', envVersion: 'develop' } }),
      getLaunchOptionsSync: () => own(this.launchOptions()),
      getEnterOptionsSync: () => own(this.launchOptions()),
      getUpdateManager: () => ({
        onCheckForUpdate: () => {},
        onUpdateReady: () => {},
        onUpdateFailed: () => {},
        applyUpdate: () => {},
      }),
      canIUse: () => true,
      nextTick: (run: () => void) => queueMicrotask(run),
      onAppShow: (run: Back) => this.shows.add(run),
      offAppShow: (run: Back) => this.shows.delete(run),
      onAppHide: (run: Back) => this.hides.add(run),
      offAppHide: (run: Back) => this.hides.delete(run),
      onError: () => {},
      offError: () => {},
      onUnhandledRejection: () => {},
      offUnhandledRejection: () => {},
      onPageNotFound: () => {},
      offPageNotFound: () => {},
      onThemeChange: () => {},
      offThemeChange: () => {},
      onWindowResize: () => {},
      offWindowResize: () => {},
      onKeyboardHeightChange: () => {},
      onAudioInterruptionBegin: () => {},
      onAudioInterruptionEnd: () => {},
      getStorageSync: (name: string) => {
        const found = this.storage.get(name)
        return found === undefined ? '' : own(JSON.parse(found) as unknown)
      },
      setStorageSync: (name: string, value: unknown) =>
        void this.storage.set(name, JSON.stringify(value)),
      removeStorageSync: (name: string) => void this.storage.delete(name),
      clearStorageSync: () => this.storage.clear(),
      getStorageInfoSync: () => own({ keys: [...this.storage.keys()], currentSize: 1 }),
      navigateTo: (options: Options) => this.navigate(options, 0),
      redirectTo: (options: Options) => this.navigate(options, 1),
      reLaunch: (options: Options) => this.navigate(options, this.app.pages.length),
      switchTab: (options: Options) => this.navigate(options, this.app.pages.length),
      navigateBack: (options?: Options) => {
        this.app.close(Number(options?.['delta'] ?? 1))
        done(options)
      },
      createWorker: (path: string) => this.startWorker(path),
      createSelectorQuery: () => emptyQuery(),
      createIntersectionObserver: () => player,
      createVideoContext: () => player,
      createLivePlayerContext: () => player,
      createInnerAudioContext: () => player,
      env: { USER_DATA_PATH: 'wxfile://usr' },
    }
  }

  private request(options: Options): object {
    const { counted } = this
    const url = String(options['url'])
    const method = String(options['method'] ?? 'GET')
    if (!VERBS.includes(method)) throw new TypeError(`wx.request cannot send ${method}`)
    if (!url.startsWith(`${this.domain}/`)) {
      this.later(() => this.fail(options, 'request:fail url not in domain list'))
      return { abort: () => {} }
    }
    if (this.isFrozen || this.flying.size >= REQUESTS) {
      const why = this.isFrozen ? 'interrupted' : 'exceed max concurrent'
      this.later(() => this.fail(options, `request:fail ${why}`))
      return { abort: () => {} }
    }
    counted.requests.push({ method, path: url.slice(this.domain.length) })
    const stop = new AbortController()
    let isOver = false
    const finish = (run: () => void): void => {
      if (isOver) return
      isOver = true
      this.flying.delete(interrupt)
      run()
    }
    const interrupt = (): void => {
      finish(() => this.fail(options, 'request:fail interrupted'))
      stop.abort()
    }
    this.flying.add(interrupt)
    counted.mostRequests = Math.max(counted.mostRequests, this.flying.size)
    const send = async (): Promise<void> => {
      const answer = await fetch(url, {
        method,
        headers: { ...(options['header'] as Record<string, string>) },
        signal: stop.signal,
        ...(options['data'] === undefined ? {} : { body: String(options['data']) }),
      })
      const data = await answer.text()
      const header = Object.fromEntries(answer.headers)
      finish(() => this.succeed(options, { statusCode: answer.status, header, data }))
    }
    send().catch((fault: unknown) => finish(() => this.fail(options, `request:fail ${fault}`)))
    return {
      abort: () => {
        finish(() => this.fail(options, 'request:fail abort'))
        stop.abort()
      },
    }
  }

  private connect(options: Options): object {
    const { counted } = this
    const url = String(options['url'])
    const allowed = this.domain.replace(/^http/, 'ws')
    const task = new SocketTask(url, this.app, () => this.open.delete(task))
    counted.sockets.push(url.slice(allowed.length))
    if (!url.startsWith(`${allowed}/`) || this.open.size >= SOCKETS) {
      task.refuse()
      return task
    }
    this.open.add(task)
    counted.mostSockets = Math.max(counted.mostSockets, this.open.size)
    task.start()
    this.succeed(options, {})
    return task
  }

  private async login(options: Options): Promise<void> {
    this.logins += 1
    this.counted.mostLogins = Math.max(this.counted.mostLogins, this.logins)
    await this.person('login', options)
    this.logins -= 1
  }

  /** A test says what the person, or WeChat, answers. `fail` in it is an errMsg. */
  private async person(name: string, options: Options): Promise<void> {
    const asked = JSON.parse(JSON.stringify(options)) as Json
    const answer = await this.ask(name, asked)
    if (typeof answer['fail'] === 'string') this.fail(options, answer['fail'])
    else this.succeed(options, answer)
  }

  private navigate(options: Options, closing: number): void {
    try {
      const url = String(options['url'])
      this.app.close(closing)
      this.app.open(url)
      this.succeed(options, {})
    } catch (fault) {
      this.fail(options, `navigateTo:fail ${fault}`)
    }
  }

  private startWorker(path: string): object {
    if (this.worker !== null) throw new Error('only one worker at a time')
    const worker = new Worker(new URL('worker.ts', import.meta.url), {
      workerData: { file: `${this.folder}/${path}` },
    })
    this.worker = worker
    const end = (): void => {
      if (this.worker === worker) this.worker = null
      void worker.terminate()
    }
    return {
      postMessage: (message: object) => worker.postMessage(JSON.parse(JSON.stringify(message))),
      onMessage: (run: Back) => worker.on('message', (message: Json) => run(this.app.own(message))),
      onProcessKilled: () => {},
      onError: (run: () => void) => worker.on('error', run),
      terminate: end,
    }
  }

  private refuse(name: string, options?: Options): void {
    this.later(() => this.fail(options, `${name}:fail privacy permission is not authorized`))
  }

  private succeed(options: Options | undefined, answer: Json): void {
    this.later(() => {
      const told = this.app.own({ errMsg: 'ok', ...answer })
      options?.success?.(told)
      options?.complete?.(told)
    })
  }

  private fail(options: Options | undefined, errMsg: string): void {
    this.later(() => {
      const told = this.app.own({ errMsg })
      options?.fail?.(told)
      options?.complete?.(told)
    })
  }

  private later(run: () => void): void {
    setImmediate(run)
  }

  private miss(name: string): void {
    if (!this.counted.unknown.includes(name)) this.counted.unknown.push(name)
  }
}

/** A SocketTask. */
class SocketTask {
  private socket: WebSocket | null = null
  private readonly runs: Record<string, Back[]> = {}
  private isOver = false
  private readonly url: string
  private readonly app: App
  private readonly forget: () => void

  constructor(url: string, app: App, forget: () => void) {
    this.url = url
    this.app = app
    this.forget = forget
  }

  start(): void {
    const socket = new WebSocket(this.url)
    this.socket = socket
    socket.onopen = () => this.tell('open', { header: {} })
    socket.onmessage = ({ data }) => this.tell('message', { data: String(data) })
    socket.onerror = () => this.tell('error', { errMsg: 'connectSocket:fail' })
    socket.onclose = ({ code, reason }) => this.end(code, reason)
  }

  refuse(): void {
    setImmediate(() => this.tell('error', { errMsg: 'connectSocket:fail' }))
  }

  hear(data: string): void {
    this.tell('message', { data })
  }

  send(options: Options): void {
    if (this.socket?.readyState !== WebSocket.OPEN) {
      options.fail?.(this.app.own({ errMsg: 'sendSocketMessage:fail' }))
      return
    }
    this.socket.send(String(options['data']))
    options.success?.(this.app.own({ errMsg: 'ok' }))
  }

  close(options?: Options): void {
    this.forget() // a place is free as soon as it closes
    this.socket?.close(Number(options?.['code'] ?? 1000), String(options?.['reason'] ?? ''))
    options?.success?.(this.app.own({ errMsg: 'ok' }))
  }

  onOpen(run: Back): void {
    this.add('open', run)
  }

  onMessage(run: Back): void {
    this.add('message', run)
  }

  onError(run: Back): void {
    this.add('error', run)
  }

  onClose(run: Back): void {
    this.add('close', run)
  }

  private add(name: string, run: Back): void {
    ;(this.runs[name] ??= []).push(run)
  }

  private end(code: number, reason: string): void {
    if (this.isOver) return
    this.isOver = true
    this.forget()
    this.tell('close', { code, reason })
  }

  private tell(name: string, answer: Json): void {
    for (const run of this.runs[name] ?? []) run(this.app.own(answer))
  }
}

/** Nothing is laid out here: every question has the answer of an element that is not there. */
function emptyQuery(): object {
  const query: object = new Proxy(
    {},
    {
      get: (_, name) => {
        if (name === 'exec') return (run?: (found: unknown[]) => void) => run?.([])
        return () => query
      },
    },
  )
  return query
}
