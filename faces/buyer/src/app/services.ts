/** The composition root of the buyer's face: the core on the platform of uni-app. */

import { ref } from 'vue'

import { Api, type Schemas } from '@core/api'
import { Payment } from '@core/buying/payment'
import type { Purchase } from '@core/buying/purchase'
import { Purchases } from '@core/buying/purchases'
import { Records } from '@core/buying/records'
import { HttpShop, type Reservation } from '@core/buying/shop'
import { Clock } from '@core/clock'
import { GoodsBook } from '@core/goods/book'
import { DropWatch } from '@core/goods/watch'
import { Mine } from '@core/mine'
import { pause } from '@core/platform'
import { RequestQueue } from '@core/queue'
import { RoomLink } from '@core/room/link'
import type { Answered } from '@core/room/messages'
import { openPollLine } from '@core/room/poll_line'
import { openSocketLine } from '@core/room/socket_line'
import { Voice } from '@core/room/voice'
import { Session } from '@core/session'

import { introduce } from './login'
import { requestPayment } from './money'
import { platform } from './platform'
import { API, SOCKETS } from './place'

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

const work = {
  now: () => timers.elapsed(),
  pause: () => pause(timers, 0),
  wanted: () => visibility.isShown(),
}

/** What the service sells by: holds, orders, payments. */
export const orderShop = new HttpShop(api, clock, timers, work, logIn)
let purchases: Purchases | null = null
/** Whose purchases they are; empty for a stranger. */
const owner = ref('')

/** A silent login. False: this face has no way to log in here, or the provider is away. */
export async function logIn(): Promise<boolean> {
  session.drop(session.token())
  config ??= await readConfig()
  const isKnown = await session.logIn(api)
  if (isKnown && session.buyerId() !== owner.value) ownerChanged()
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

function ownerChanged(): void {
  purchases?.stop()
  owner.value = session.buyerId() ?? ''
  mine.forget()
  const records = new Records(storage, owner.value)
  const ports = { platform, shop: orderShop, records }
  purchases = new Purchases(ports, (dropId) => withTickets.has(dropId))
}

/** At the start of the app: the clock, the login, and purchases that were under way. */
export function begin(): void {
  clock.keep(visibility)
  void (async () => {
    if (session.token() === null && !(await logIn())) return
    void mine.want()
    const own = buying()
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

/** Log in first if nobody is: a tap on "buy" comes from a stranger at most once. */
export async function makeReady(): Promise<boolean> {
  return session.token() !== null || logIn()
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
}

export function openRoom(roomId: string): OpenRoom {
  const hear: { voice?: Voice } = {}
  const link = new RoomLink(roomId, {
    platform,
    openSocket: (request) => openSocketLine(platform, SOCKETS, request),
    openPoll: (request) => openPollLine(api, request),
    token: () => session.token(),
    logIn,
    heardAnswer: (message: Answered) => hear.voice?.hear(message),
  })
  hear.voice = new Voice(roomId, api, timers, (frame) => link.send(frame))
  link.start()
  return { link, voice: hear.voice }
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
