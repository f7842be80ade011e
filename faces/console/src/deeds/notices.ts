/** What was done, at the foot of the screen, with the way back where there is one. */

import { shallowReactive } from 'vue'

import { commandLine } from './command.ts'

const DONE_MS = 12_000
const WRONG_MS = 20_000
const NEED_MS = 60_000
const LASTS_MS = { done: DONE_MS, wrong: WRONG_MS, need: NEED_MS } as const

export interface Notice {
  readonly id: number
  readonly kind: 'done' | 'wrong' | 'need'
  readonly text: string
  /** The same on the command line. */
  readonly command: string
  readonly undo?: () => Promise<void>
  /** The screen that handles it. */
  readonly to?: string
}

export const notices = shallowReactive<Notice[]>([])
let next = 1

export function tell(notice: Omit<Notice, 'id'>): number {
  const id = next++
  notices.push({ ...notice, command: commandLine(notice.command), id })
  if (notices.length > 4) notices.shift()
  window.setTimeout(() => dismiss(id), LASTS_MS[notice.kind])
  return id
}

export function dismiss(id: number): void {
  const at = notices.findIndex((notice) => notice.id === id)
  if (at >= 0) notices.splice(at, 1)
}

/** Take the newest step back that can be taken back. */
export async function undoLast(): Promise<void> {
  const last = notices.findLast((notice) => notice.undo !== undefined)
  if (last?.undo === undefined) return
  dismiss(last.id)
  await last.undo()
}
