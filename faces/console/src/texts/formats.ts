/** How numbers, times and ages are written: each with its unit. */

import { money as yuan } from '@core/formats.ts'

import { language, t } from './texts.ts'

const locale = (): string => (language.value === 'zh' ? 'zh-CN' : 'en-GB')

/** Kept for each language: to make one takes longer than a hundred uses of it. */
const numbers = new Map<string, Intl.NumberFormat>()
const moments = new Map<string, Intl.DateTimeFormat>()

function kept<F>(all: Map<string, F>, make: (name: string) => F): F {
  const name = locale()
  let found = all.get(name)
  if (found === undefined) all.set(name, (found = make(name)))
  return found
}

export function count(value: number | null | undefined): string {
  if (value === null || value === undefined) return '–'
  return kept(numbers, (name) => new Intl.NumberFormat(name)).format(value)
}

/** A rate: whole above ten, with one digit below. */
export function rate(value: number | null | undefined): string {
  if (value === null || value === undefined) return '–'
  return value >= 10 ? count(Math.round(value)) : String(Math.round(value * 10) / 10)
}

export const money = yuan

/** How long ago or how long: `0.4 s`, `12 s`, `3 min`, `2 h`. */
export function span(ms: number): string {
  const seconds = Math.max(0, ms) / 1000
  if (seconds < 10) return `${seconds.toFixed(1)} ${t('unit.s')}`
  if (seconds < 120) return `${Math.round(seconds)} ${t('unit.s')}`
  if (seconds < 7200) return `${Math.round(seconds / 60)} ${t('unit.min')}`
  if (seconds < 172_800) return `${Math.round(seconds / 3600)} ${t('unit.h')}`
  return `${Math.round(seconds / 86_400)} ${t('unit.d')}`
}

/** Day and time to the second, in the zone of this browser. */
export function moment(ms: number | null | undefined): string {
  if (!ms) return '–'
  return kept(moments, (name) => new Intl.DateTimeFormat(name, {
    month: 'short',
    day: 'numeric',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hour12: false,
  })).format(ms)
}
