/** How numbers, times and ages are written: each with its unit. */

import { money as yuan } from '@core/formats.ts'

import { language, t } from './texts.ts'

const locale = (): string => (language.value === 'zh' ? 'zh-CN' : 'en-GB')

export function count(value: number | null | undefined): string {
  return value === null || value === undefined ? '–' : value.toLocaleString(locale())
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
  return new Date(ms).toLocaleString(locale(), {
    month: 'short',
    day: 'numeric',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hour12: false,
  })
}
