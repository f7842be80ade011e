/**
 * Where somebody can buy. The mini-program and WeChat's browser can; another browser can only
 * watch, and leads to the mini-program.
 */

import type { Problem } from '@core/answers'
import type { Api, Schemas } from '@core/api'

import { explain, say } from './texts'

// #ifdef H5
import { isWeChatBrowser } from './wechat_browser'
// #endif

type Config = Schemas['Config']
type LinkedPage = keyof Config['features']['mini_program']

/** Whether nobody can ever log in here: not now, and not after another try. */
export function isOnlyForWatching(config: Config | null): boolean {
  let only = false
  // #ifdef H5
  if (config !== null && !config.features.login.dev) {
    only = !(config.features.login.wechat_h5 && isWeChatBrowser())
  }
  // #endif
  return only
}

/** Says why nobody is logged in, and leads to where it works. */
export function showDoor(api: Api, config: Config | null, problem: Problem | null): void {
  const page = isOnlyForWatching(config) ? linkedPage(config) : null
  if (page === null) {
    const content = problem === null ? say('no_login') : explain(problem).text
    void uni.showModal({ content, showCancel: false, confirmText: say('close') })
    return
  }
  void uni.showModal({
    content: say('only_watching'),
    confirmText: say('open_wechat'),
    cancelText: say('cancel'),
    success: ({ confirm }) => {
      if (confirm) void openMiniProgram(api, page)
    },
  })
}

/** The page of the mini-program that shows what this page shows; null: none can be opened. */
function linkedPage(config: Config | null): { page: LinkedPage; id: string } | null {
  const linked = config?.features.mini_program
  if (!linked?.home) return null
  const here = getCurrentPages().pop() as
    | { route?: string; options?: Record<string, string> }
    | undefined
  const page = here?.route?.split('/')[1] as LinkedPage | undefined
  const id = here?.options?.['id'] ?? ''
  return page && page !== 'home' && linked[page] && id ? { page, id } : { page: 'home', id: '' }
}

async function openMiniProgram(
  api: Api,
  { page, id }: { page: LinkedPage; id: string },
): Promise<void> {
  const query = id ? { page, id } : { page }
  const answer = await api.ask('get', '/v1/mini-program/link', { query })
  if (answer.kind === 'good') {
    // #ifdef H5
    location.assign(answer.body.url)
    // #endif
    return
  }
  const title = answer.kind === 'problem' ? explain(answer.problem).text : say('offline')
  void uni.showToast({ title, icon: 'none' })
}
