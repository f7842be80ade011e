/** Shows a payment: WeChat's own, or the simulated bank, which asks for the outcome. */

import type { Api } from '@core/api'
import type { Hint } from '@core/buying/payment'
import type { Started } from '@core/buying/shop'
import { money } from '@core/formats'

import { say } from './texts'

// #ifdef H5
import { payInWeChat } from './wechat_browser'
// #endif

export async function requestPayment(api: Api, started: Started): Promise<Hint> {
  const { request_payment: fields } = started
  if (fields === undefined) return simulate(api, started)
  let shown: Promise<Hint> = Promise.resolve('failed')
  // #ifdef H5
  shown = payInWeChat(fields)
  // #endif
  // #ifdef MP-WEIXIN
  shown = payInMiniProgram(fields)
  // #endif
  return shown
}

// #ifdef MP-WEIXIN
function payInMiniProgram(fields: NonNullable<Started['request_payment']>): Promise<Hint> {
  return new Promise((done) => {
    uni.requestPayment({
      provider: 'wxpay',
      ...fields,
      orderInfo: '',
      success: () => done('paid'),
      fail: ({ errMsg }: { errMsg: string }) =>
        done(errMsg.includes('cancel') ? 'cancelled' : 'failed'),
    } as unknown as UniApp.RequestPaymentOptions)
  })
}
// #endif

async function simulate(api: Api, started: Started): Promise<Hint> {
  const isYes = await new Promise<boolean>((done) => {
    uni.showModal({
      title: say('bank'),
      content: money(started.amount_fen),
      confirmText: say('pay'),
      cancelText: say('cancel'),
      success: ({ confirm }) => done(confirm),
      fail: () => done(false),
    })
  })
  if (!isYes) return 'cancelled'
  const answer = await api.ask('post', '/v1/payments/simulated/{reservation_id}', {
    path: { reservation_id: started.reservation_id },
    body: { outcome: 'paid' },
    priority: 'buy',
  })
  return answer.kind === 'good' ? 'paid' : 'failed'
}
