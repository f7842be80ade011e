/** How money and time are written. No Intl: mini-programs on iPhones lack parts of it. */

export type Language = 'zh' | 'en'

/** `¥1,234.50` from fen. */
export function money(fen: number): string {
  const whole = Math.abs(Math.trunc(fen))
  const yuan = String(Math.floor(whole / 100)).replace(/\B(?=(\d{3})+$)/g, ',')
  return `${fen < 0 ? '-' : ''}¥${yuan}.${two(whole % 100)}`
}

/** A countdown: `2 天 03:04:05` or `2 d 03:04:05`, `04:05` below an hour, `5.3` below ten seconds. */
export function countdown(leftMs: number, language: Language): string {
  const left = Math.max(0, leftMs)
  if (left < 10_000) return (Math.ceil(left / 100) / 10).toFixed(1)
  const seconds = Math.ceil(left / 1000)
  const days = Math.floor(seconds / 86_400)
  const hours = Math.floor(seconds / 3600) % 24
  const clock = `${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`
  if (days > 0) return `${days} ${language === 'zh' ? '天' : 'd'} ${two(hours)}:${clock}`
  return hours > 0 ? `${two(hours)}:${clock}` : clock
}

/** `±0.1 s`, or an empty text below 50 ms, which nobody sees. */
export function clockError(errorMs: number, language: Language): string {
  if (errorMs < 50) return ''
  if (!Number.isFinite(errorMs)) return language === 'zh' ? '正在校时' : 'checking the time'
  return `±${(Math.ceil(errorMs / 100) / 10).toFixed(1)} ${language === 'zh' ? '秒' : 's'}`
}

/** A guess of a time to wait: `10–40 秒`, `2–5 min`, `less than 3 min`. */
export function waitRange(lowMs: number, highMs: number, language: Language): string {
  const [unit, zh, en] = UNITS.find(([ms]) => highMs < 90 * ms) ?? UNITS[2]
  const low = Math.floor(lowMs / unit)
  const high = Math.max(1, Math.ceil(highMs / unit))
  const name = language === 'zh' ? zh : en
  if (low >= 1 && low < high) return `${low}–${high} ${name}`
  if (low >= 1) return `${high} ${name}`
  return language === 'zh' ? `${high} ${name}以内` : `less than ${high} ${name}`
}

/** `今天 20:00`, `明天 20:00`, `3月5日 20:00`; with the year if it is another one. */
export function moment(ms: number, nowMs: number, language: Language, zoneMinutes?: number): string {
  const at = shifted(ms, zoneMinutes)
  const now = shifted(nowMs, zoneMinutes)
  const time = `${two(at.getUTCHours())}:${two(at.getUTCMinutes())}`
  const days = Math.floor(at.getTime() / DAY_MS) - Math.floor(now.getTime() / DAY_MS)
  const near = NEAR_DAYS[language][String(days)]
  if (near !== undefined) return `${near} ${time}`
  const year = at.getUTCFullYear() === now.getUTCFullYear() ? '' : String(at.getUTCFullYear())
  const month = at.getUTCMonth()
  if (language === 'zh') {
    return `${year && `${year}年`}${month + 1}月${at.getUTCDate()}日 ${time}`
  }
  return `${at.getUTCDate()} ${MONTHS[month]}${year && ` ${year}`} ${time}`
}

/** `812`, `1.2万` or `12K`. */
export function crowd(count: number, language: Language): string {
  const [unit, sign] = language === 'zh' ? [10_000, '万'] : [1000, 'K']
  if (count < unit) return String(count)
  const short = Math.floor((count / unit) * 10) / 10
  return `${short < 100 ? short : Math.floor(short)}${sign}`
}

const DAY_MS = 86_400_000
const UNITS = [
  [1_000, '秒', 's'],
  [60_000, '分钟', 'min'],
  [3_600_000, '小时', 'h'],
] as const
const MONTHS = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ')
const NEAR_DAYS: Record<Language, Record<string, string>> = {
  zh: { '-1': '昨天', '0': '今天', '1': '明天' },
  en: { '-1': 'Yesterday', '0': 'Today', '1': 'Tomorrow' },
}

/** A Date whose UTC parts are those of the zone; the phone's zone unless given. */
function shifted(ms: number, zoneMinutes?: number): Date {
  return new Date(ms + (zoneMinutes ?? -new Date(ms).getTimezoneOffset()) * 60_000)
}

function two(number: number): string {
  return String(number).padStart(2, '0')
}
