/** The composition root of the buyer's face: the core on the platform of uni-app. */

import { ref } from 'vue'

import type { Answer } from '@core/answers'
import { Api, type Schemas } from '@core/api'
import { Payment } from '@core/buying/payment'
import type { Purchase } from '@core/buying/purchase'
import { Purchases } from '@core/buying/purchases'
import { Records } from '@core/buying/records'
import { HttpShop, type Reservation } from '@core/buying/shop'
import { KnownBags } from '@core/bags/known'
import { Solver } from '@core/checks/solver'
import { Clock } from '@core/clock'
import { GoodsBook } from '@core/goods/book'
import { DropWatch } from '@core/goods/watch'
import { KnownLines } from '@core/line/known'
import { Mine } from '@core/mine'
import { Notices } from '@core/notices/notices'
import { RequestQueue } from '@core/queue'
import { RoomLink } from '@core/room/link'
import type { Answered, Mine as MineMessage } from '@core/room/messages'
import { openPollLine } from '@core/room/poll_line'
import { openSocketLine } from '@core/room/socket_line'
import { Voice } from '@core/room/voice'
import { Session } from '@core/session'

import { showDoor } from './door'
import { introduce } from './login'
import { requestPayment } from './money'
import { platform } from './platform'
import { API, SOCKETS } from './place'
import { startWorker } from './worker'

const { timers, storage, visibility } = platform

const queue = new RequestQueue(platform.http, timers)
const session = new Session(storage, timers, () => introduce(config))
let config: Schemas['Config'] | null = null

export const api: Api = new Api(queue, API, () => session.token())

export const clock = new Clock(timers, async () => {
  const answer = await api.ask('get', '/v1/time', { priority: 'buy', timeoutMs: 3_000 })
  return answer.kind === 'good' ? answer.body.server_ms : null
})

/** What this buyer has, and what drops sell: asked for once, for all screens. */
export const mine = new Mine(api, timers)
export const goods = new GoodsBook(api)

export function watchDrops(): DropWatch {
  return new DropWatch({ platform, api, clock })
}

/** Drops that are known to need a ticket. */
export const withTickets = new Set<string>()

export const solver = new Solver(timers, () => clock.read()?.ms ?? null, startWorker)

/** What the service sells by: holds, orders, payments. */
export const orderShop = new HttpShop(api, clock, timers, solver, logIn)
let purchases: Purchases | null = null
let bags: KnownBags | null = null
let lines: KnownLines | null = null

/** What happens to the buyer's own things: a screen that shows them calls `want`. */
export const notices = new Notices({
  platform,
  isKnown: () => session.token() !== null,
  logIn,
  heard: (notice) => {
    const { drop_id } = 'refund' in notice ? notice.refund : notice.reservation
    purchases?.lookAgain(drop_id)
    void mine.look()
  },
  readAgain: () => {
    purchases?.lookAgain()
    void mine.look()
  },
  poll: async (place, waitMs, stop) => {
    const answer = await api.ask('get', '/v1/me/events', {
      query: { place, wait_ms: waitMs },
      priority: 'background',
      timeoutMs: waitMs + 15_000,
      stop,
    })
    return answer as Answer<MineMessage> // OpenAPI does not know the events; AsyncAPI does
  },
})
/** Whose purchases they are; empty for a stranger. */
const owner = ref('')

// A code is good once: another one may work.
const NEW_CODE = new Set(['invalid_code', 'login_state'])

/** A silent login. False: this face has no way to log in here, or the provider is away. */
export async function logIn(): Promise<boolean> {
  session.drop(session.token())
  config ??= await readConfig()
  let isKnown = await session.logIn(api)
  if (NEW_CODE.has(session.problem()?.code ?? '')) isKnown = await session.logIn(api)
  if (isKnown && session.buyerId() !== owner.value) {
    ownerChanged()
    for (const link of openRooms) link.introduce()
  }
  return isKnown
}

/** The purchases of the buyer who is logged in. */
export function buying(): Purchases {
  if (purchases === null || (session.buyerId() ?? '') !== owner.value) ownerChanged()
  return purchases!
}

/** Another one after a login: read it in a computed. */
export function purchaseOf(dropId: string): Purchase {
  void owner.value
  return buying().of(dropId)
}

/** The id of the buyer who is logged in; empty for a stranger. */
export function ownerName(): string {
  return owner.value
}

function ownerChanged(): void {
  purchases?.stop()
  owner.value = session.buyerId() ?? ''
  mine.forget()
  const records = new Records(storage, owner.value)
  const ports = { platform, shop: orderShop, records }
  purchases = new Purchases(ports, (dropId) => withTickets.has(dropId))
  bags = null
  lines = null
  notices.forget()
}

/** What this phone knows of lucky bags, of the buyer who is logged in. */
export function knownBags(): KnownBags {
  bags ??= new KnownBags(storage, session.buyerId() ?? '')
  return bags
}

/** What this phone knows of lines, of the buyer who is logged in. */
export function knownLines(): KnownLines {
  lines ??= new KnownLines(storage, session.buyerId() ?? '')
  return lines
}

/** At the start of the app: the clock, the login, and purchases that were under way. */
export function begin(): void {
  clock.keep(visibility)
  void (async () => {
    if (session.token() === null && !(await logIn())) return
    const own = buying() // knows whose things they are, before they are asked for
    void mine.want()
    const known = new Records(storage, owner.value)
    for (const purchase of own.restore()) {
      // A hold that this phone knew already waits in the list of holds.
      if (known.get(purchase.dropId)?.reservationId) continue
      const stop = purchase.state.watch(({ step }) => {
        if (step === 'held') toOrder(purchase.dropId)
        if (step !== 'confirming') stop()
      })
    }
  })()
}

/** Whether somebody is logged in, after a silent try: a page that opens asks nobody for anything. */
export async function isKnown(): Promise<boolean> {
  return session.token() !== null || logIn()
}

/** For a tap that needs a login. Where there is none, it says so, and leads to where there is. */
export async function makeReady(): Promise<boolean> {
  if (await isKnown()) return true
  showDoor(api, config, session.problem())
  return false
}

export function pay(reservation: Reservation): Payment {
  return new Payment(reservation, {
    platform,
    shop: orderShop,
    requestPayment: (started) => requestPayment(api, started),
    onLook: (found) => buying().of(found.drop_id).update(found),
  })
}

export interface OpenRoom {
  readonly link: RoomLink
  readonly voice: Voice
  readonly leave: () => void
}

const openRooms = new Set<RoomLink>()

export function openRoom(roomId: string): OpenRoom {
  const hear: { voice?: Voice } = {}
  const link = new RoomLink(roomId, {
    platform,
    openSocket: (request) => openSocketLine(platform, SOCKETS, request),
    openPoll: (request) => openPollLine(api, request),
    token: () => session.token(),
    logIn,
    mine: () => notices.place,
    heardAnswer: (message: Answered) => {
      if (message.type === 'mine') {
        notices.carry(link, true)
        notices.hear(message)
      } else hear.voice?.hear(message)
    },
  })
  hear.voice = new Voice(roomId, api, timers, (frame) => link.send(frame))
  link.state.watch(({ line }) => {
    if (line !== 'socket') notices.carry(link, false)
  })
  link.start()
  openRooms.add(link)
  const leave = (): void => {
    openRooms.delete(link)
    link.stop()
    notices.carry(link, false)
  }
  return { link, voice: hear.voice, leave }
}

export function toOrder(dropId: string): void {
  uni.navigateTo({ url: `/pages/order/index?drop=${dropId}` })
}

/** What the shop has switched on; null while it cannot be read. */
export async function shopConfig(): Promise<Schemas['Config'] | null> {
  config ??= await readConfig()
  return config
}

async function readConfig(): Promise<Schemas['Config'] | null> {
  const answer = await api.ask('get', '/v1/config')
  return answer.kind === 'good' ? answer.body : null
}
