/** What one can do to a drop: each deed with its command, its effect in numbers, and its way back. */

import { shallowReactive } from 'vue'

import { answer, api, newKey } from '../api/client.ts'
import { t } from '../texts/texts.ts'
import { count } from '../texts/formats.ts'
import { session } from '../session.ts'
import { quoted } from './command.ts'
import { explain } from './explain.ts'
import { tell } from './notices.ts'

export type Verb = 'open' | 'pause' | 'resume' | 'close'

export interface Target {
  readonly id: string
  readonly title: string
}

/** Deeds under way, by drop: a second tap while one is under way does nothing. */
export const busy = shallowReactive(new Set<string>())

const BACK: Partial<Record<Verb, Verb>> = { pause: 'resume', resume: 'pause' }

export function commandOf(verb: Verb, dropId: string): string {
  return `livesale drop ${verb} ${dropId}`
}

export function adjustCommand(dropId: string, delta: number, reason: string, key: string): string {
  // With the name, the key counts once with that of this page.
  const mine = `--key ${key} --operator ${session.value?.name ?? ''}`
  return `livesale drop adjust ${dropId} --delta=${delta} --reason ${quoted(reason)} ${mine}`
}

function ask(verb: Verb, dropId: string) {
  const options = { params: { path: { drop_id: dropId } }, body: {} }
  switch (verb) {
    case 'open':
      return api.POST('/v1/admin/drops/{drop_id}/open', options)
    case 'pause':
      return api.POST('/v1/admin/drops/{drop_id}/pause', options)
    case 'resume':
      return api.POST('/v1/admin/drops/{drop_id}/resume', options)
    case 'close':
      return api.POST('/v1/admin/drops/{drop_id}/close', options)
  }
}

/** Do it, and say so; true if it is done. Never throws. */
export async function change(verb: Verb, target: Target): Promise<boolean> {
  if (busy.has(target.id)) return false
  busy.add(target.id)
  const command = commandOf(verb, target.id)
  try {
    await answer<unknown>(ask(verb, target.id))
    const back = BACK[verb]
    const undo = back === undefined ? {} : { undo: async () => void (await change(back, target)) }
    tell({ kind: 'done', text: t(`did.${verb}`, { title: target.title }), command, ...undo })
    return true
  } catch (fault) {
    tell({ kind: 'wrong', text: explain(fault), command })
    return false
  } finally {
    busy.delete(target.id)
  }
}

/** Restock or scrap. The key is that of the intention: sent twice, it counts once. */
export async function adjust(
  target: Target,
  delta: number,
  reason: string,
  key: string,
): Promise<boolean> {
  const command = adjustCommand(target.id, delta, reason, key)
  try {
    const done = await answer(
      api.POST('/v1/admin/drops/{drop_id}/adjust', {
        params: { path: { drop_id: target.id }, header: { 'Idempotency-Key': key } },
        body: { delta, reason },
      }),
    )
    if (!done.replayed) {
      // Units that somebody holds by then are not taken away: the service refuses it.
      const undo = async (): Promise<void> => void (await adjust(target, -delta, t('undo.reason', { reason }), newKey()))
      const sign = delta > 0 ? '+' : '−'
      const values = { title: target.title, delta: `${sign}${count(Math.abs(delta))}` }
      tell({
        kind: 'done',
        text: t('did.adjust', { ...values, available: count(done.available) }),
        command,
        undo,
      })
    }
    return true
  } catch (fault) {
    tell({ kind: 'wrong', text: explain(fault), command })
    return false
  }
}
