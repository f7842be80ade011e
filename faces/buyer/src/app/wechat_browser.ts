/**
 * WeChat's own browser, where the page runs as H5: it logs in by OAuth of the official account and
 * pays by JSAPI. https://developers.weixin.qq.com/doc/offiaccount/OA_Web_Apps/
 *
 * Logging in leaves the page: it goes to the service, to WeChat, and comes back with a code behind
 * its address. WeChat asks the person nothing.
 */

import type { Hint } from '@core/buying/payment'
import type { Credentials } from '@core/session'

const HERE = 'wechat-login-hash' // where the buyer was, while the page is away
const TIMES = 'wechat-login-times'
const MOST_TIMES = 3 // in a minute: a login that fails must not go round for ever
const MINUTE_MS = 60_000
const AWAY_MS = 15_000 // the page should have left long before
const BRIDGE_MS = 5_000
const MOST_QUERY = 400 // the service takes a path of 512 characters

interface Bridge {
  invoke(name: string, fields: object, done: (result: { err_msg?: string }) => void): void
}

type WithBridge = typeof globalThis & { WeixinJSBridge?: Bridge }

let returned = takeCode()

export function isWeChatBrowser(): boolean {
  return /MicroMessenger/i.test(navigator.userAgent)
}

/** The code that the page came back with; else the page leaves for one. Null: it gave up. */
export async function askWeChat(): Promise<Credentials | null> {
  const code = returned
  returned = null
  if (code !== null) return code
  if (!mayLeave()) return null
  sessionStorage.setItem(HERE, location.hash)
  const query = location.search.length <= MOST_QUERY ? location.search : ''
  location.assign(`/v1/wechat/login?to=${encodeURIComponent(location.pathname + query)}`)
  return new Promise((done) => setTimeout(() => done(null), AWAY_MS))
}

/** WeChat's window for a payment. What it says is a hint. */
export async function payInWeChat(fields: object): Promise<Hint> {
  const bridge = await findBridge()
  if (bridge === null) return 'failed'
  return new Promise((done) => {
    bridge.invoke('getBrandWCPayRequest', fields, ({ err_msg: said = '' }) => {
      if (said === 'get_brand_wcpay_request:ok') done('paid')
      else done(said === 'get_brand_wcpay_request:cancel' ? 'cancelled' : 'failed')
    })
  })
}

/** Takes code and state out of the address, so that no reload or share sends them again. */
function takeCode(): Credentials | null {
  const query = new URLSearchParams(location.search)
  const code = query.get('code')
  const state = query.get('state')
  if (!code || !state) return null
  query.delete('code')
  query.delete('state')
  const rest = query.toString()
  const hash = sessionStorage.getItem(HERE) ?? location.hash
  sessionStorage.removeItem(HERE)
  history.replaceState(null, '', location.pathname + (rest && `?${rest}`) + hash)
  return { provider: 'wechat_h5', code, state }
}

function mayLeave(): boolean {
  const now = Date.now()
  const known = (sessionStorage.getItem(TIMES) ?? '').split(' ').map(Number)
  const recent = known.filter((at) => at > now - MINUTE_MS)
  if (recent.length >= MOST_TIMES) return false
  sessionStorage.setItem(TIMES, [...recent, now].join(' '))
  return true
}

function findBridge(): Promise<Bridge | null> {
  const known = (globalThis as WithBridge).WeixinJSBridge
  if (known !== undefined) return Promise.resolve(known)
  return new Promise((done) => {
    const ready = (): void => done((globalThis as WithBridge).WeixinJSBridge ?? null)
    document.addEventListener('WeixinJSBridgeReady', ready, { once: true })
    setTimeout(ready, BRIDGE_MS)
  })
}
