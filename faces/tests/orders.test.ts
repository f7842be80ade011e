import { expect, test } from 'vitest'

import type { Schemas } from '../core/api.ts'
import {
  EMPTY,
  PROVINCES,
  faultsOf,
  fieldOf,
  readPasted,
  tidied,
} from '../core/orders/address.ts'
import { spaced } from '../core/orders/codes.ts'
import { mayAsk, mayReturn, standingOfMine, timelineOf } from '../core/orders/standing.ts'
import { Mine, leftOf, mostOf } from '../core/mine.ts'

type Order = Schemas['ShownOrder']

const HOME = {
  name: '王小明',
  phone: '13800138000',
  province: '广东省',
  city: '深圳市',
  district: '南山区',
  detail: '科技园路1号',
  postcode: '',
}

test.each([
  '王小明 13800138000 广东省深圳市南山区科技园路1号',
  '王小明，138-0013-8000，广东深圳市南山区科技园路1号',
  '收货人：王小明 手机号码：+86 13800138000 所在地区：广东省 深圳市 南山区 详细地址：科技园路1号',
  '广东省深圳市南山区科技园路1号 王小明 13800138000',
])('a copied address is read: %s', (text) => {
  expect(readPasted(text)).toEqual(HOME)
})

test('a municipality is its own city, and nothing is invented', () => {
  expect(readPasted('张三 13900139000 上海市浦东新区世纪大道100号 2 楼')).toMatchObject({
    name: '张三',
    province: '上海市',
    city: '上海市',
    district: '浦东新区',
    detail: '世纪大道100号 2 楼',
  })
  expect(readPasted('hello')).toEqual({ ...EMPTY, name: 'hello' })
  expect(readPasted('')).toEqual(EMPTY)
})

test('each field says what is wrong with it', () => {
  expect(PROVINCES.length).toBe(34)
  expect(faultsOf(tidied(HOME))).toEqual({})
  expect(faultsOf(EMPTY)).toEqual({
    name: 'missing',
    phone: 'missing',
    province: 'missing',
    city: 'missing',
    detail: 'missing',
  })
  const wrong = { ...HOME, phone: '1380013', province: '广东', detail: '1', postcode: '12' }
  expect(faultsOf(wrong)).toEqual({
    phone: 'form',
    province: 'form',
    detail: 'form',
    postcode: 'form',
  })
  expect(tidied({ ...HOME, phone: ' 138 0013 8000 ' }).phone).toBe('13800138000')
  expect(tidied({ ...HOME, phone: '138-0013-8000' }).phone).toBe('13800138000')
  expect(tidied({ ...HOME, phone: '0755-26000000' }).phone).toBe('0755-26000000')
  expect(fieldOf('address.city')).toBe('city')
  expect(fieldOf('is_default')).toBeNull()
})

function order(changes: Partial<Order> = {}): Order {
  return {
    order_id: 'o',
    reservation_id: 'o',
    drop_id: 'd',
    room_id: null,
    status: 'sold',
    payment: 'paid',
    stage: 'waiting',
    quantity: 2,
    price_fen: 100,
    amount_fen: 200,
    created_ms: 10,
    updated_ms: 20,
    expires_ms: 30,
    parcels: [],
    cases: [],
    refunds: [],
    ...changes,
  }
}

function caseOf(changes: Partial<Schemas['ShownCase']>): Schemas['ShownCase'] {
  return {
    case_id: 'k',
    order_id: 'o',
    kind: 'refund',
    state: 'asked',
    units: 1,
    amount_fen: 100,
    reason: '',
    answer: '',
    carrier: '',
    number: '',
    evidence: [],
    fate: null,
    refund_no: null,
    due_ms: null,
    created_ms: 40,
    updated_ms: 50,
    ...changes,
  }
}

test('money is asked for once at a time, for units that are left, and goods come back after they left', () => {
  expect([mayAsk(order()), mayReturn(order())]).toEqual([true, false])
  expect(mayReturn(order({ stage: 'shipped' }))).toBe(true)
  expect(mayAsk(order({ status: 'held', stage: null }))).toBe(false)
  expect(mayAsk(order({ cases: [caseOf({})] }))).toBe(false)
  expect(mayAsk(order({ cases: [caseOf({ state: 'refunded' })] }))).toBe(true)
  expect(mayAsk(order({ cases: [caseOf({ state: 'refunded', units: 2 })] }))).toBe(false)
  expect(mayAsk(order({ cases: [caseOf({ state: 'withdrawn', units: 2 })] }))).toBe(true)
})

test('what happened is told once each, the newest first', () => {
  const parcel: Schemas['ShownParcel'] = {
    parcel_id: 'p',
    method: 'express',
    carrier: 'SF',
    carrier_name: 'SF',
    number: '1',
    note: '',
    state: 'received',
    is_last: true,
    created_ms: 11,
    shipped_ms: 12,
    received_ms: 13,
    due_ms: null,
  }
  const refund: Schemas['OrderRefund'] = {
    refund_no: 'f',
    amount_fen: 100,
    state: 'refunded',
    reason: 'after_sale',
    created_ms: 51,
    updated_ms: 52,
  }
  const rows = timelineOf(
    order({
      parcels: [parcel, { ...parcel, state: 'cancelled' }],
      cases: [caseOf({ state: 'refunded', updated_ms: 52 })],
      refunds: [refund],
    }),
  )
  expect(rows.map(({ what }) => what)).toEqual([
    'refunded',
    'case_over',
    'refund',
    'case_asked',
    'received',
    'shipped',
    'reserved',
  ])
})

test('a row in the list says the one thing that matters', () => {
  const mine: Schemas['MyOrder'] = {
    order_id: 'o',
    goods: { drop_id: 'd', title: 't', product_id: null, attributes: [], picture: null },
    room_id: null,
    status: 'sold',
    quantity: 1,
    price_fen: 100,
    amount_fen: 100,
    expires_ms: 1,
    created_ms: 1,
    saved: true,
    payment: 'paid',
    stage: 'shipped',
    back_fen: 0,
    refunded_fen: 0,
  }
  expect(standingOfMine(mine)).toBe('shipped')
  expect(standingOfMine({ ...mine, back_fen: 40 })).toBe('shipped')
  expect(standingOfMine({ ...mine, back_fen: 100 })).toBe('refunding')
  expect(standingOfMine({ ...mine, back_fen: 100, refunded_fen: 100 })).toBe('refunded')
  expect(standingOfMine({ ...mine, status: 'held', stage: null, saved: false })).toBe('held')
  expect(standingOfMine({ ...mine, status: 'expired', stage: null })).toBe('ended')
})

test('a limit that is not known forbids nothing: the service decides', () => {
  const nothing = { overview: null, fault: null }
  expect(leftOf(nothing, 'd', 3)).toBeNull()
  expect(mostOf(3, null, 10)).toBe(3)
  const limits = [
    {
      goods: { drop_id: 'd', title: null, product_id: null, attributes: [], picture: null },
      buyer_limit: 3,
      units: 2,
      left: 1,
      expired_holds: 0,
      barred: false,
    },
  ]
  const overview = { limits, missing: [] } as unknown as Schemas['Overview']
  expect(leftOf({ overview, fault: null }, 'd', 3)).toEqual({ left: 1, units: 2, isBarred: false })
  expect(leftOf({ overview, fault: null }, 'other', 3)?.left).toBe(3)
  const blind = { ...overview, missing: ['limits' as const] }
  expect(leftOf({ overview: blind, fault: null }, 'd', 3)).toBeNull()
  expect(mostOf(3, { left: 0, units: 3, isBarred: false }, 10)).toBe(1)
  expect(mostOf(3, null, 2)).toBe(2)
})

test('what was asked for somebody else is thrown away, and asked anew', async () => {
  const answers: ((answer: unknown) => void)[] = []
  const api = { ask: () => new Promise((done) => answers.push(done)) } as never
  const mine = new Mine(api, { elapsed: () => 0 })
  const good = (name: string) => ({ kind: 'good', status: 200, body: { name } })
  const first = mine.want()
  mine.forget() // another buyer has logged in
  const second = mine.look()
  expect(answers.length).toBe(2)
  answers[1]?.(good('new'))
  answers[0]?.(good('old'))
  await Promise.all([first, second])
  expect(mine.state.get().overview).toEqual({ name: 'new' })
  await mine.want() // fresh: nothing is asked
  const third = mine.look()
  answers[2]?.({ kind: 'lost' })
  await third
  expect(answers.length).toBe(3)
  expect(mine.state.get()).toMatchObject({ overview: { name: 'new' }, fault: { problem: null } })
})

test('a code is read in groups', () => {
  expect(spaced('ABCDE12345')).toBe('ABCDE 12345')
})
