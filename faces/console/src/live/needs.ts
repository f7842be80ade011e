/** What needs a person now: alerts that last, and what the figures themselves say. */

import { computed } from 'vue'

import { moment } from '../texts/formats.ts'
import { t } from '../texts/texts.ts'
import { feed } from './feed.ts'

export interface Need {
  readonly key: string
  readonly kind: string
  readonly text: string
  readonly when: string
}

export const needs = computed<Need[]>(() => {
  const figures = feed.figures
  if (figures === null) return []
  const found: Need[] = []
  for (const alert of figures.alerts.alerts ?? []) {
    found.push({ key: alert.alert_id, kind: alert.kind, text: alert.title, when: moment(alert.at_ms) })
  }
  for (const each of figures.partitions.partitions ?? []) {
    if (each.closed === '') continue
    found.push({ key: `p${each.partition}`, kind: t('need.partition', { partition: each.partition }), text: each.closed, when: '' })
  }
  for (const [name, check] of Object.entries(figures.stores.checks ?? {})) {
    if (!check.ok) found.push({ key: `c${name}`, kind: name, text: check.detail ?? '', when: '' })
  }
  for (const room of figures.rooms.rooms ?? []) {
    if (room.state === 'abnormal') found.push({ key: `r${room.room_id}`, kind: t('need.host'), text: room.title, when: '' })
    else if (room.stream === 'silent') found.push({ key: `s${room.room_id}`, kind: t('need.stream'), text: room.title, when: moment(room.stream_seen_ms) })
  }
  return found
})
