import { expect, test } from 'vitest'

import { readAnswer } from '../core/answers.ts'
import { fill } from '../core/api.ts'
import { clockError, countdown, crowd, moment, money } from '../core/formats.ts'
import { newKey } from '../core/ids.ts'
import { advise, problemOf } from '../core/problems/problems.ts'

test('money is written from fen', () => {
  expect([0, 5, 1_250, 123_456_789, -150].map(money)).toEqual([
    '¥0.00',
    '¥0.05',
    '¥12.50',
    '¥1,234,567.89',
    '-¥1.50',
  ])
})

test('a countdown has the form that its length needs', () => {
  const lefts = [-5, 80, 5_250, 10_000, 59_001, 3_600_000, 90_061_000]
  expect(lefts.map((left) => countdown(left, 'en'))).toEqual([
    '0.0',
    '0.1',
    '5.3',
    '00:10',
    '01:00',
    '01:00:00',
    '1 d 01:01:01',
  ])
  expect(countdown(90_061_000, 'zh')).toBe('1 天 01:01:01')
})

test('the error of the clock is shown when somebody could see it', () => {
  expect([20, 120, 950].map((error) => clockError(error, 'en'))).toEqual(['', '±0.2 s', '±1.0 s'])
  expect(clockError(Infinity, 'zh')).toBe('正在校时')
})

test('a moment is near, or has a date', () => {
  const now = Date.UTC(2026, 10, 27, 15, 30) // 23:30 in China
  const at = (hours: number) => now + hours * 3_600_000
  const zone = 8 * 60
  expect(moment(at(0), now, 'zh', zone)).toBe('今天 23:30')
  expect(moment(at(1), now, 'zh', zone)).toBe('明天 00:30')
  expect(moment(at(-24), now, 'en', zone)).toBe('Yesterday 23:30')
  expect(moment(at(72), now, 'zh', zone)).toBe('11月30日 23:30')
  expect(moment(at(24 * 50), now, 'en', zone)).toBe('16 Jan 2027 23:30')
  expect(moment(now, now, 'zh')).toMatch(/^今天 \d\d:\d\d$/)
})

test('a crowd is written short', () => {
  expect([999, 12_345, 2_000_000].map((count) => crowd(count, 'zh'))).toEqual([
    '999',
    '1.2万',
    '200万',
  ])
  expect(crowd(12_345, 'en')).toBe('12.3K')
})

test('a problem has a text and one next action, in both languages', () => {
  expect(advise(problemOf('sold_out', 409), 'zh')).toEqual({
    code: 'sold_out',
    text: '已抢光。有人未付款时会回流。',
    action: 'watch_stock',
    label: '等待回流',
  })
  expect(advise(problemOf('outcome_unknown', 503), 'en').action).toBe('confirm')
  expect(advise({ ...problemOf('slow_down', 429), by: 'room' }, 'en').text).toContain('room')
})

test('a code of a newer service still has an action', () => {
  expect(advise(problemOf('new_here', 409), 'en').action).toBe('update')
  expect(advise(problemOf('new_here', 503), 'en').action).toBe('retry')
})

test('what is not an answer of the service is lost', () => {
  const raw = (status: number, text: string) => ({ status, headers: {}, text })
  for (const one of [null, raw(502, '<html>'), raw(200, ''), raw(200, '7'), raw(500, '{"a":1}')]) {
    expect(readAnswer(one).kind).toBe('lost')
  }
  const problem = { type: '', title: '', status: 429, code: 'slow_down', retry_after_s: 1 }
  const headers = { 'retry-after': '2.5' }
  const answer = readAnswer({ status: 429, headers, text: JSON.stringify(problem) })
  expect(answer).toMatchObject({ kind: 'problem', waitMs: 2_500 })
})

test('paths are filled, and keys are valid and differ', () => {
  expect(fill('/v1/drops/{drop_id}/x', { drop_id: 'a/b' })).toBe('/v1/drops/a%2Fb/x')
  expect(() => fill('/v1/drops/{drop_id}', {})).toThrow('drop_id')
  const keys = new Set(Array.from({ length: 100 }, () => newKey(1_800_000_000_000, Math.random)))
  expect(keys.size).toBe(100)
  for (const key of keys) expect(key).toMatch(/^[a-z0-9]{24}$/)
})
