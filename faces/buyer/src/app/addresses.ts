/** Choosing an address on its own page, and coming back with it. */

import type { Answer } from '@core/answers'

import { explain, say } from './texts'

let answer: ((addressId: string | null) => void) | null = null

/** The id of an address of the book; null if the buyer goes back without one. */
export function chooseAddress(): Promise<string | null> {
  answer?.(null)
  return new Promise((done) => {
    answer = done
    void uni.navigateTo({ url: '/pages/addresses/index?choose=1', fail: () => done(null) })
  })
}

/** The buyer has chosen, or has left. */
export function addressChosen(addressId: string | null): void {
  answer?.(addressId)
  answer = null
}

/** What a refusal says, for a toast. */
export function tell(found: Answer<unknown>): void {
  if (found.kind === 'good') return
  const title = found.kind === 'problem' ? explain(found.problem).text : say('offline')
  void uni.showToast({ title, icon: 'none' })
}
