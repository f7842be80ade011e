/** One order, from its hold on: the payment of it, and what SQL knows, as far as it knows it. */

import { type ComputedRef, type ShallowRef, computed, shallowRef } from 'vue'

import type { Problem } from '@core/answers'
import type { Schemas } from '@core/api'
import type { Payment, PaymentState } from '@core/buying/payment'
import type { Order, Reservation } from '@core/buying/shop'
import type { Cancel } from '@core/platform'

import { platform } from './platform'
import { api, buying, goods, isKnown, logIn, mine, orderShop, pay, shopConfig } from './services'
import { hasStores } from './stores'

export type Address = Schemas['ShownAddress']
export type Pickup = Schemas['ShownPickup']

export interface OneOrder {
  readonly payment: ShallowRef<PaymentState | null>
  readonly order: ShallowRef<Order | null>
  readonly address: ShallowRef<Address | null>
  readonly pickup: ShallowRef<Pickup | null>
  /** Nothing could be read: why. Null while nothing is wrong. */
  readonly fault: ShallowRef<{ readonly problem: Problem | null } | null>
  readonly isGone: ShallowRef<boolean>
  /** What SQL and the stores know was asked for once: nothing comes between later. */
  readonly isSettled: ShallowRef<boolean>
  /** Nobody is logged in, so nobody's order can be shown. */
  readonly isStranger: ShallowRef<boolean>
  readonly id: ComputedRef<string>
  open(id: string): void
  /** The hold of a drop that this phone knows. */
  openDrop(dropId: string): void
  refresh(): Promise<void>
  tapPay(): void
  release(): Promise<boolean>
  stop(): void
}

const AGAIN_MS = 3_000 // until SQL has the order
const SLOW_MS = 20_000

export function useOneOrder(): OneOrder {
  const payment = shallowRef<PaymentState | null>(null)
  const order = shallowRef<Order | null>(null)
  const address = shallowRef<Address | null>(null)
  const pickup = shallowRef<Pickup | null>(null)
  const fault = shallowRef<{ readonly problem: Problem | null } | null>(null)
  const isGone = shallowRef(false)
  const isStranger = shallowRef(false)
  const isSettled = shallowRef(false)
  const wanted = shallowRef('')
  let machine: Payment | null = null
  let stops: Cancel[] = []
  let stopTimer: Cancel = () => {}
  let isStopped = false

  const id = computed(() => payment.value?.reservation.reservation_id ?? wanted.value)

  function follow(reservation: Reservation): void {
    if (machine !== null || isStopped) return
    wanted.value = reservation.reservation_id
    const following = pay(reservation)
    machine = following
    payment.value = following.state.get()
    stops.push(
      following.state.watch((value) => {
        const before = payment.value
        payment.value = value
        if (value.order !== null) order.value = value.order
        if (before?.reservation.status !== value.reservation.status) {
          void mine.look()
          void refresh()
        }
      }),
      () => following.stop(),
    )
    following.start()
    void goods.want([reservation.drop_id])
    void refresh()
  }

  async function begin(orderId: string): Promise<void> {
    wanted.value = orderId
    isStranger.value = !(await isKnown())
    if (isStranger.value) return
    let found = await orderShop.reservation(orderId)
    if (found.kind === 'problem' && found.status === 401 && (await logIn())) {
      found = await orderShop.reservation(orderId)
    }
    if (isStopped || machine !== null) return
    if (found.kind === 'good') {
      fault.value = null
      follow(found.body)
      return
    }
    isGone.value = found.kind === 'problem' && found.problem.code === 'unknown_reservation'
    fault.value = { problem: found.kind === 'problem' ? found.problem : null }
    if (!isGone.value) later(AGAIN_MS, () => void begin(orderId))
  }

  async function refresh(): Promise<void> {
    stopTimer()
    if (machine === null) return void (wanted.value && (await begin(wanted.value)))
    const path = { order_id: id.value }
    const found = await orderShop.order(id.value)
    if (isStopped) return
    if (found.kind === 'good') {
      order.value = found.body
      fault.value = null
      await lookAround(path)
    } else if (found.kind === 'lost' || found.problem.code !== 'unknown_order') {
      fault.value = { problem: found.kind === 'problem' ? found.problem : null }
    }
    isSettled.value = true
    const isWritten = order.value !== null && order.value.status === statusNow()
    later(isWritten ? SLOW_MS : AGAIN_MS, () => void refresh())
  }

  /** Where it goes, or where it waits. */
  async function lookAround(path: { order_id: string }): Promise<void> {
    const [config, collects] = await Promise.all([shopConfig(), hasStores()])
    if (config?.features.addresses) {
      const to = await api.ask('get', '/v1/orders/{order_id}/address', { path })
      if (to.kind === 'good') address.value = to.body.address
    }
    if (address.value !== null) pickup.value = null
    else if (collects) {
      const at = await api.ask('get', '/v1/orders/{order_id}/pickup', { path })
      pickup.value = at.kind === 'good' && at.body.state !== 'cancelled' ? at.body : null
    }
  }

  function statusNow(): string {
    return payment.value?.reservation.status ?? ''
  }

  function later(ms: number, run: () => void): void {
    stopTimer()
    if (isStopped) return
    stopTimer = platform.timers.after(ms, () => {
      if (platform.visibility.isShown()) run()
      else later(ms, run)
    })
  }

  return {
    payment,
    order,
    address,
    pickup,
    fault,
    isGone,
    isStranger,
    isSettled,
    id,
    open: (orderId) => void begin(orderId),
    openDrop(dropId) {
      void isKnown().then((known) => {
        isStranger.value = !known
        if (!known || isStopped) return
        const purchase = buying().of(dropId)
        purchase.restore()
        const take = (): void => {
          const state = purchase.state.get()
          if (state.step === 'held' || state.step === 'ended') follow(state.reservation)
          isGone.value = machine === null && state.step === 'idle'
        }
        stops.push(purchase.state.watch(take))
        take()
      })
    },
    refresh,
    tapPay: () => void machine?.tap(),
    async release() {
      const found = await orderShop.release(id.value)
      if (found.kind !== 'good') {
        fault.value = { problem: found.kind === 'problem' ? found.problem : null }
        return false
      }
      machine?.lookNow()
      void mine.look()
      return true
    },
    stop() {
      isStopped = true
      stopTimer()
      for (const stop of stops) stop()
      stops = []
    },
  }
}
