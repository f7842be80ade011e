/** Consent to one message of WeChat. Only mini-programs can ask for it. */

import type { Consent } from '@core/reminder'

import { api } from './services'
import { explain } from './texts'

export let canAskConsent = false
// #ifdef MP-WEIXIN
canAskConsent = true
// #endif

/** Call it directly in a tap: WeChat refuses it anywhere else. */
export function askConsent(templateId: string): Promise<Consent> {
  return new Promise((done) => {
    // #ifdef MP-WEIXIN
    uni.requestSubscribeMessage({
      tmplIds: [templateId],
      success: (said: unknown) => {
        const answer = (said as Readonly<Record<string, string>>)[templateId]
        done(answer === 'accept' ? 'accepted' : 'refused')
      },
      fail: () => done('failed'),
    })
    // #endif
    // #ifndef MP-WEIXIN
    void templateId
    done('failed')
    // #endif
  })
}

/** Open the same page in the mini-program, from a browser. */
export async function openInWeChat(page: 'room' | 'drop', id: string): Promise<void> {
  const answer = await api.ask('get', '/v1/mini-program/link', { query: { page, id } })
  // #ifdef H5
  if (answer.kind === 'good') location.href = answer.body.url
  // #endif
  if (answer.kind === 'problem') {
    void uni.showToast({ title: explain(answer.problem).text, icon: 'none' })
  }
}
