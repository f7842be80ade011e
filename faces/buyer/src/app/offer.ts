/** One drop on sale: what its button says and does, and the one next action after a refusal. */

import { type Ref, computed, ref } from 'vue'

import { clockError, countdown } from '@core/formats'
import type { Action, Advice } from '@core/problems/problems'
import type { DropView } from '@core/room/messages'

import { useCell, useDue, useNow } from './cells'
import { makeReady, purchaseOf, toOrder, withTickets } from './services'
import { explain, language, say } from './texts'

export interface Offered {
  readonly drop_id: string
  readonly title: string
  readonly price_fen: number
  readonly remaining: number
  readonly allotted: number
  readonly opens_ms: number
  readonly ticket_required: boolean
  /** `scheduled` and `prepared` are before the opening. */
  readonly state: string
}

/** A drop as a room shows it. */
export function offeredOf(drop: DropView): Offered {
  return { ...drop, state: drop.phase }
}

export interface Offer {
  readonly label: Readonly<Ref<string>>
  readonly canTap: Readonly<Ref<boolean>>
  /** Until the opening; empty if there is nothing to count down to. */
  readonly countdown: Readonly<Ref<string>>
  /** How well this phone knows the time; empty if well enough. */
  readonly timeError: Readonly<Ref<string>>
  readonly advice: Readonly<Ref<Advice | null>>
  readonly tap: () => Promise<void>
  readonly follow: (action: Action) => void
}

const RUNNING = ['sending', 'confirming']
const AGAIN = ['buy', 'buy_again', 'retry', 'wait', 'get_ticket', 'solve', 'login']

export function useOffer(drop: () => Offered): Offer {
  const now = useNow()
  const isDue = useDue(() => drop().opens_ms)
  const purchase = computed(() => purchaseOf(drop().drop_id))
  const state = useCell(() => purchase.value.state)
  const wantsLogin = ref(false)

  const leftMs = computed(() => (now.value === null ? null : drop().opens_ms - now.value.ms))
  const hasTime = computed(() => ['scheduled', 'opening', 'open'].includes(drop().state))
  const isOut = computed(() => drop().state === 'sold_out' || drop().remaining === 0)
  const isOpen = computed(() => hasTime.value && isDue.value && !isOut.value)
  const step = computed(() => state.value.step)
  const isCounting = computed(() => hasTime.value && leftMs.value !== null && leftMs.value > 0)

  const label = computed(() => {
    if (step.value === 'sending') return say('sending')
    if (step.value === 'confirming') return say('confirming')
    if (step.value === 'held') return say('held')
    if (drop().state === 'closed') return say('closed')
    if (drop().state === 'paused') return say('paused')
    if (isOut.value) return say('sold_out')
    return isOpen.value ? say('buy') : say('not_yet')
  })

  async function tap(): Promise<void> {
    const { drop_id, ticket_required } = drop()
    if (step.value === 'held') {
      toOrder(drop_id)
      return
    }
    if (ticket_required) withTickets.add(drop_id)
    wantsLogin.value = !(await makeReady())
    if (!wantsLogin.value) purchase.value.tap(1)
  }

  function follow(action: Action): void {
    purchase.value.reset()
    if (AGAIN.includes(action)) void tap()
    else if (action === 'see_orders') toOrder(drop().drop_id)
    else if (action === 'home') void uni.reLaunch({ url: '/pages/home/index' })
  }

  return {
    label,
    canTap: computed(
      () => step.value === 'held' || (isOpen.value && !RUNNING.includes(step.value)),
    ),
    countdown: computed(() =>
      isCounting.value ? countdown(leftMs.value ?? 0, language) : '',
    ),
    timeError: computed(() => (now.value ? clockError(now.value.errorMs, language) : '')),
    advice: computed(() => (state.value.step === 'refused' ? explain(state.value.problem) : null)),
    tap,
    follow,
  }
}
