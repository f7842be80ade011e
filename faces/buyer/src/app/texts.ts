/** The words of the buyer's face, in Chinese and English. */

import type { Problem } from '@core/answers'
import type { Language } from '@core/formats'
import { type Advice, advise, problemOf } from '@core/problems/problems'

import { BUYING } from './words/buying'
import { CARE } from './words/care'
import { GOODS } from './words/goods'
import { LINE } from './words/line'
import { MINE } from './words/mine'
import { ROOM } from './words/room'

export const language: Language = (uni.getLocale() || 'zh').startsWith('zh') ? 'zh' : 'en'

const TEXTS = {
  ...GOODS,
  ...BUYING,
  ...CARE,
  ...LINE,
  ...MINE,
  ...ROOM,
  live: ['正在直播', 'Live now'],
  on_air: ['直播', 'Live'],
  soon: ['即将开播', 'Coming up'],
  sales: ['限时抢购', 'Sales'],
  nothing: ['暂时没有活动', 'Nothing is on right now'],
  offline: ['网络不通，正在重试', 'No connection. Trying again'],
  buy: ['立即抢购', 'Buy now'],
  sending: ['正在抢购…', 'Reserving…'],
  confirming: ['正在确认结果…', 'Confirming the result…'],
  held: ['抢到了，去付款', 'It is yours: pay now'],
  opens_in: ['距开抢', 'Opens in'],
  sold_out: ['已抢光，可能回流', 'Sold out, units may return'],
  paused: ['已暂停', 'Paused'],
  closed: ['已结束', 'Over'],
  not_yet: ['即将开抢', 'Coming soon'],
  left: ['剩余', 'left'],
  viewers: ['人在看', 'watching'],
  reconnecting: ['重新连接中', 'Reconnecting'],
  room_over: ['直播已结束', 'The room has ended'],
  banned: ['你已被禁止进入', 'You are banned from this room'],
  comment: ['说点什么', 'Say something'],
  send: ['发送', 'Send'],
  unsure: ['这条评论可能没有发出', 'This comment may not have been sent'],
  shelf: ['商品', 'Items'],
  close: ['关闭', 'Close'],
  pay: ['付款', 'Pay'],
  cancel: ['取消', 'Cancel'],
  bank: ['模拟银行', 'Simulated bank'],
  pay_within: ['请在此时间内付款', 'Pay within'],
  ends_soon: ['占位即将结束', 'Your hold ends soon'],
  preparing: ['正在准备付款…', 'Preparing the payment…'],
  money_coming: ['正在确认付款…', 'Confirming your payment…'],
  sold: ['付款成功', 'Paid'],
  sold_late: ['付款晚到，但仍为你保留了商品', 'Your payment came late, and you still got it'],
  ended: ['占位已结束，没有扣款', 'Your hold has ended. Nothing was charged'],
  refunding: ['付款晚到且已售罄，正在退款', 'Your payment came too late. A refund is on its way'],
  refunded: ['已退款', 'Refunded'],
  refund_failed: ['退款需要商家处理，请联系商家', 'The shop handles your refund. Contact it'],
  back: ['返回', 'Back'],
  like: ['点赞', 'Like'],
  only_watching: ['这里只能观看，请在微信中购买', 'You can watch here. Buy in WeChat'],
  open_wechat: ['打开微信', 'Open WeChat'],
  no_login: ['暂时无法登录，请稍后再试', 'You cannot be logged in right now. Try again'],
} as const

export type Word = keyof typeof TEXTS

/** `values` stand for `{name}` in the text. */
export function say(word: Word, values: Readonly<Record<string, string | number>> = {}): string {
  const text: string = TEXTS[word][language === 'zh' ? 0 : 1]
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole))
}

export function explain(problem: Problem): Advice {
  return advise(problem, language)
}

/** What a code means, where only the code is known. */
export function explainCode(code: string, status: number): string {
  return explain(problemOf(code, status)).text
}
