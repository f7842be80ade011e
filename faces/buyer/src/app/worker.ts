/** The platform's worker for challenges: WeChat has one at a time, a browser any number. */

import type { Worker as Helper, WorkerEvents } from '@core/checks/solver'

interface Found {
  readonly altcha: string | null
}

/** Null where there are no workers, such as in an old WeChat. */
export function startWorker(events: WorkerEvents): Helper | null {
  try {
    let worker: Helper | null = null
    // #ifdef MP-WEIXIN
    worker = startInWeChat(events)
    // #endif
    // #ifdef H5
    worker = startInBrowser(events)
    // #endif
    return worker
  } catch {
    return null
  }
}

// #ifdef MP-WEIXIN
interface WeChatWorker {
  postMessage(message: object): void
  onMessage(run: (message: Found) => void): void
  onProcessKilled?(run: () => void): void
  onError?(run: () => void): void
  terminate(): void
}

declare const wx: { createWorker?(path: string, options: object): WeChatWorker }

function startInWeChat(events: WorkerEvents): Helper | null {
  // On iPhones, only this kind of worker compiles what it runs: it is many times faster.
  const worker = wx.createWorker?.('workers/challenge.js', { useExperimentalWorker: true })
  if (worker === undefined) return null
  worker.onMessage(({ altcha }) => events.solved(altcha))
  worker.onProcessKilled?.(() => events.gone())
  worker.onError?.(() => events.gone())
  return {
    ask: (challenge) => worker.postMessage({ challenge }),
    end: () => worker.terminate(),
  }
}
// #endif

// #ifdef H5
function startInBrowser(events: WorkerEvents): Helper | null {
  if (typeof Worker === 'undefined') return null
  // In one expression: so Vite knows that it is a script of its own, and not some file.
  const worker = new Worker(new URL('../workers/challenge.ts', import.meta.url), { type: 'module' })
  worker.onmessage = ({ data }: MessageEvent<Found>) => events.solved(data.altcha)
  worker.onerror = () => events.gone()
  worker.onmessageerror = () => events.gone()
  return {
    ask: (challenge) => worker.postMessage({ challenge }),
    end: () => worker.terminate(),
  }
}
// #endif
