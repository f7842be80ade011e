/** Titles of pages and tabs, in the buyer's language. */

import { onShow } from '@dcloudio/uni-app'

import { type Word, say } from './texts'

const TABS: readonly Word[] = ['tab_home', 'tab_goods', 'tab_me']

/** For a page that is a tab. */
export function useTab(title: () => string): void {
  onShow(() => {
    void uni.setNavigationBarTitle({ title: title() })
    TABS.forEach((word, index) => void uni.setTabBarItem({ index, text: say(word) }))
  })
}

/** For any other page. */
export function useTitle(title: () => string): void {
  onShow(() => {
    void uni.setNavigationBarTitle({ title: title() })
  })
}
