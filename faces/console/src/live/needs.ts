/** What needs a person now: alerts that last, and what the figures themselves say; each with its screen. */

import { computed, watch } from 'vue'

import { dismiss, tell } from '../deeds/notices.ts'
import { may } from '../session.ts'
import { count, moment } from '../texts/formats.ts'
import { t } from '../texts/texts.ts'
import { feed } from './feed.ts'

export interface Need {
  readonly key: string
  readonly kind: string
  readonly text: string
  readonly when: string
  /** The screen that handles it. */
  readonly to: string
}

const WAITS_MS = 600_000 // the gateway takes a refund within seconds: ten minutes need a person

const KINDS: Readonly<Record<string, () => string>> = {
  stock_low: () => t('need.stocklow'),
  stock_short: () => t('need.stockshort'),
}

export const needs = computed<Need[]>(() => {
  const figures = feed.figures
  if (figures === null) return []
  const found: Need[] = []
  for (const alert of figures.alerts.alerts ?? []) {
    const kind = KINDS[alert.kind]?.() ?? alert.kind
    found.push({ key: alert.alert_id, kind, text: alert.title, when: moment(alert.at_ms), to: `/stock/${alert.object_id}` })
  }
  for (const each of figures.partitions.partitions ?? []) {
    if (each.closed === '') continue
    found.push({ key: `p${each.partition}`, kind: t('need.partition', { partition: each.partition }), text: each.closed, when: '', to: '/books' })
  }
  const { work } = figures
  if (work.quarantined) found.push({ key: 'quarantine', kind: t('need.quarantine'), text: t('need.entries', { many: count(work.quarantined) }), when: '', to: '/books' })
  if (work.refunds_failed) found.push({ key: 'refunds', kind: t('need.refunds'), text: t('need.refundsmany', { many: count(work.refunds_failed) }), when: '', to: '/refunds?state=failed' })
  if (work.refunds_since_ms && figures.server_ms - work.refunds_since_ms > WAITS_MS) {
    found.push({ key: 'refunds wait', kind: t('need.refundswait'), text: t('need.refundsmany', { many: count(work.refunds_waiting) }), when: moment(work.refunds_since_ms), to: '/refunds?state=sent' })
  }
  for (const [name, check] of Object.entries(figures.stores.checks ?? {})) {
    if (!check.ok) found.push({ key: `c${name}`, kind: name, text: check.detail ?? '', when: '', to: '/prepare' })
  }
  for (const room of figures.rooms.rooms ?? []) {
    const to = `/host/${room.room_id}`
    if (room.state === 'abnormal') found.push({ key: `r${room.room_id}`, kind: t('need.host'), text: room.title, when: '', to })
    else if (room.stream === 'silent') found.push({ key: `s${room.room_id}`, kind: t('need.stream'), text: room.title, when: moment(room.stream_seen_ms), to })
  }
  return found
})

/** Say each new need once, on whatever screen somebody is. What was there at the start is in the bell. */
export function announceNeeds(): void {
  let known: Set<string> | null = null
  const said = new Map<string, number>() // notices on the screen, by need
  watch(needs, (now) => {
    if (feed.figures === null) {
      known = null
      return
    }
    const before = known
    known = new Set(now.map((need) => need.key))
    for (const [key, id] of said) {
      if (known.has(key)) continue
      dismiss(id) // it is over: nobody need handle it any more
      said.delete(key)
    }
    if (before === null || !may('cockpit.read')) return
    for (const need of now) {
      if (before.has(need.key)) continue
      said.set(need.key, tell({ kind: 'need', text: `${need.kind} · ${need.text}`, command: '', to: need.to }))
      notifyDesktop(need)
    }
  })
}

/** Outside the tab, if the person has allowed it in the bell. */
function notifyDesktop(need: Need): void {
  if (!('Notification' in window) || Notification.permission !== 'granted' || !document.hidden) return
  const shown = new Notification(need.kind, { body: need.text, tag: need.key })
  shown.onclick = () => {
    window.focus()
    window.location.hash = need.to
    shown.close()
  }
}
