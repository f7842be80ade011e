/**
 * How a buyer says who they are, without being asked: a code of WeChat, by the mini-program or by
 * its browser; or a name in dev. Other browsers can only watch.
 */

import type { Schemas } from '@core/api'
import type { Credentials } from '@core/session'

// #ifdef H5
import { askWeChat, isWeChatBrowser } from './wechat_browser'
// #endif

const NAME = 'dev-name'

export async function introduce(config: Schemas['Config'] | null): Promise<Credentials | null> {
  // #ifdef MP-WEIXIN
  if (config === null || config.features.login.wechat) {
    const code = await weChatCode()
    if (code !== null) return { provider: 'wechat', code }
  }
  // #endif
  // #ifdef H5
  if (config?.features.login.wechat_h5 && isWeChatBrowser()) return askWeChat()
  // #endif
  return config?.features.login.dev ? { provider: 'dev', code: devName() } : null
}

/** In dev: a name that this browser keeps. */
function devName(): string {
  const known = uni.getStorageSync(NAME) as string | undefined
  if (known) return known
  const made = `guest-${Math.random().toString(36).slice(2, 10)}`
  uni.setStorageSync(NAME, made)
  return made
}

// #ifdef MP-WEIXIN
function weChatCode(): Promise<string | null> {
  return new Promise((done) => {
    uni.login({ success: ({ code }) => done(code), fail: () => done(null) })
  })
}
// #endif
