/**
 * What each problem says to a person, in two languages, and the one thing to do next.
 *
 * `texts.json` has a row for every code of the service; `tests/faces/test_texts.py` compares both.
 */

import type { Problem } from '../answers.ts'
import type { Language } from '../formats.ts'
import texts from './texts.json'

export type Action = keyof typeof texts.actions

export interface Advice {
  readonly code: string
  readonly text: string
  readonly action: Action
  /** What the button says. */
  readonly label: string
}

type Row = readonly [Action, string, string]

const ROWS = texts.problems as unknown as Readonly<Record<string, Row>>
const LABELS = texts.actions as unknown as Readonly<Record<Action, readonly [string, string]>>

// For a code of a newer service than this face.
const STRANGE: Readonly<Record<'client' | 'server', Row>> = {
  client: ['update', '页面版本过旧，请更新后再试。', 'This page is out of date. Update it.'],
  server: ['retry', '我们这边出错了。', 'Something went wrong on our side.'],
}

const MORE: Readonly<Record<string, readonly [string, string]>> = {
  address: ['同一网络下请求太多，请稍候。', 'Too many requests come from your network. Wait a moment.'],
  room: ['直播间太热闹了，请稍候。', 'The room is very busy. Wait a moment.'],
}

/** The text and the next action of a problem. */
export function advise(problem: Problem, language: Language): Advice {
  const side = problem.status >= 500 ? 'server' : 'client'
  const [action, zh, en] = ROWS[problem.code] ?? STRANGE[side]
  const at = language === 'zh' ? 0 : 1
  const more = problem.code === 'slow_down' ? MORE[problem.by ?? ''] : undefined
  const text = more?.[at] ?? (language === 'zh' ? zh : en)
  return { code: problem.code, text, action, label: LABELS[action][at] }
}

/** A problem that this face has found itself. */
export function problemOf(code: string, status: number): Problem {
  return { type: `/docs#${code}`, title: code, status, code }
}
