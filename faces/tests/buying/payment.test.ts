import { expect, test } from 'vitest'

import { type Hint, Payment } from '../../core/buying/payment.ts'
import { Engine, orderOf } from '../twins/engine.ts'
import { Network } from '../twins/network.ts'
import { Run, Screen, World } from '../twins/world.ts'

function open(hints: Hint[] = ['paid']) {
  const world = new World()
  const engine = new Engine(1, 1, () => world.now)
  engine.reserve({ dropId: 'd1', key: 'k', quantity: 1, ticket: null })
  const hold = engine.find('r1')!
  const run = new Run(world)
  const shop = new Network(world, run, engine, [])
  const screen = new Screen()
  let prepays = 0
  const payment = new Payment(engine.view(hold, 'd1'), {
    platform: { timers: run, visibility: screen, chance: () => 0.5 },
    shop,
    requestPayment: () => {
      prepays += 1
      return new Promise((done) => world.after(1_000, () => done(hints.shift() ?? 'failed')))
    },
  })
  payment.start()
  const refund = (state: 'due' | 'refunded') =>
    shop.orders.set(
      'r1',
      orderOf(engine.view(hold, 'd1'), {
        payment: 'closed',
        refunds: [
          { refund_no: 'f', amount_fen: 100, state, reason: 'too_late', created_ms: 0, updated_ms: 0 },
        ],
      }),
    )
  return { world, hold, shop, screen, payment, refund, prepays: () => prepays }
}

test('paid is only sold when the service says so', async () => {
  const { world, hold, payment } = open()
  payment.tap()
  await world.run(30_000)
  expect(payment.state.get()).toMatchObject({ step: 'confirming', hint: 'paid' })
  hold.status = 'sold'
  await world.run(5_000)
  expect(payment.state.get()).toMatchObject({ step: 'sold', isLate: false })
})

test('cancelled, and the money arrives twenty seconds later: it is sold', async () => {
  const { world, hold, payment } = open(['cancelled'])
  payment.tap()
  await world.run(2_000)
  expect(payment.state.get()).toMatchObject({ step: 'unpaid', hint: 'cancelled' })
  world.after(20_000, () => {
    hold.status = 'sold'
  })
  await world.run(35_000)
  expect(payment.state.get().step).toBe('sold')
})

test('each tap gets a fresh prepay, and a double tap gets one', async () => {
  const { world, payment, prepays } = open(['cancelled', 'paid'])
  expect([payment.tap(), payment.tap()]).toEqual([true, false])
  await world.run(2_000)
  expect(prepays()).toBe(1)
  expect(payment.tap()).toBe(true)
  await world.run(2_000)
  expect(prepays()).toBe(2)
})

test('late money without stock shows its refund, until it is there', async () => {
  const { world, hold, payment, refund } = open()
  payment.tap()
  hold.status = 'expired'
  refund('due')
  await world.run(20_000)
  expect(payment.state.get().step).toBe('refunding')
  refund('refunded')
  await world.run(20_000)
  expect(payment.state.get().step).toBe('refunded')
})

test('late money with stock is sold late', async () => {
  const { world, hold, payment } = open()
  payment.tap()
  hold.status = 'expired'
  await world.run(10_000)
  expect(payment.state.get().step).toBe('ended')
  hold.status = 'sold'
  await world.run(20_000)
  expect(payment.state.get()).toMatchObject({ step: 'sold', isLate: true })
})

test('a hold that ends unpaid is looked at for a while only', async () => {
  const { world, hold, shop, payment } = open()
  hold.status = 'expired'
  let looks = 0
  const look = shop.reservation.bind(shop)
  shop.reservation = (id) => {
    looks += 1
    return look(id)
  }
  await world.run(600_000)
  expect(payment.state.get().step).toBe('ended')
  expect(looks).toBeLessThan(20)
})

test('a prepay that fails says why, and can be tapped again', async () => {
  const { world, payment, shop } = open(['paid'])
  const start = shop.startPayment.bind(shop)
  shop.startPayment = () => Promise.resolve({ kind: 'lost' })
  payment.tap()
  await world.run(100)
  expect(payment.state.get().step).toBe('unpaid')
  shop.startPayment = start
  expect(payment.tap()).toBe(true)
  await world.run(2_000)
  expect(payment.state.get().step).toBe('confirming')
})

test('showing the app again asks at once', async () => {
  const { world, hold, screen, payment } = open()
  await world.run(120_000)
  hold.status = 'sold'
  await world.run(100)
  expect(payment.state.get().step).toBe('unpaid')
  screen.show()
  await world.run(100)
  expect(payment.state.get().step).toBe('sold')
})
