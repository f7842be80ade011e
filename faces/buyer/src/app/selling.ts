/** What a screen shows and does about one drop on sale: its standing, the purchase, what is mine. */

import { type ComputedRef, type Ref, computed } from 'vue'

import type { PurchaseState } from '@core/buying/purchase'
import { clockError, countdown } from '@core/formats'
import { type Drop, type Standing, isForSale, standingOf } from '@core/goods/sales'
import { type Left, leftOf, mostOf } from '@core/mine'
import type { Action, Advice } from '@core/problems/problems'

import { useCell, useDue, useNow } from './cells'
import { type Line, labelOf } from './line'
import { toHome, toOrders } from './roads'
import { buying, logIn, makeReady, mine, purchaseOf, toOrder, withTickets } from './services'
import { explain, language, say } from './texts'

/** What is needed to sell a drop; rooms and lists have it, too. */
export type Sellable = Pick<
  Drop,
  'drop_id' | 'title' | 'price_fen' | 'remaining' | 'allotted' | 'opens_ms' | 'ticket_required'
> & { readonly state: string; readonly buyer_limit: number }

export interface Selling {
  readonly standing: ComputedRef<Standing>
  readonly purchase: Readonly<Ref<PurchaseState>>
  /** Until the opening; empty when there is nothing to wait for. */
  readonly opensIn: ComputedRef<string>
  /** How well this phone knows the time; empty if nobody would see it. */
  readonly timeError: ComputedRef<string>
  readonly left: ComputedRef<Left | null>
  readonly most: ComputedRef<number>
  readonly advice: ComputedRef<Advice | null>
  readonly isBusy: ComputedRef<boolean>
  /** What the one button says. */
  readonly label: ComputedRef<string>
  /** Whether the button leads anywhere: to the sheet, also while it asks, or to the hold. */
  readonly canTap: ComputedRef<boolean>
  buy(quantity: number): Promise<void>
  /** Ready for another attempt. */
  reset(): void
}

/** `line`: the line in front of the drop, where a screen shows one. */
export function useSelling(drop: () => Sellable, line: Line | null = null): Selling {
  const now = useNow()
  const isDue = useDue(() => drop().opens_ms)
  const machine = computed(() => purchaseOf(drop().drop_id))
  const purchase = useCell(() => machine.value.state)
  const owned = useCell(() => mine.state)

  const standing = computed(() =>
    drop().state === 'prepared' ? 'soon' : standingOf(shown(drop()), isDue.value),
  )
  const leftMs = computed(() => (now.value === null ? null : drop().opens_ms - now.value.ms))
  const isWaiting = computed(() => standing.value === 'soon' && drop().state !== 'prepared')
  const left = computed(() => leftOf(owned.value, drop().drop_id, drop().buyer_limit))
  const step = computed(() => purchase.value.step)
  const isBusy = computed(() => step.value === 'sending' || step.value === 'confirming')

  return {
    standing,
    purchase,
    left,
    isBusy,
    opensIn: computed(() =>
      isWaiting.value && leftMs.value !== null ? countdown(leftMs.value, language) : '',
    ),
    timeError: computed(() =>
      now.value === null ? say('clock_unknown') : clockError(now.value.errorMs, language),
    ),
    most: computed(() => mostOf(drop().buyer_limit, left.value, drop().remaining)),
    advice: computed(() =>
      purchase.value.step === 'refused' ? explain(purchase.value.problem) : null,
    ),
    label: computed(() => {
      if (step.value === 'sending') return say('sending')
      if (step.value === 'confirming') return say('confirming')
      if (step.value === 'held') return say('held')
      return (line && labelOf(line)) || LABELS[standing.value]
    }),
    canTap: computed(() => {
      if (step.value === 'held' || isBusy.value) return true
      if (line !== null && line.isHere.value) return line.phase.value !== 'loading'
      return standing.value === 'open' && isForSale(drop())
    }),
    async buy(quantity) {
      if (drop().ticket_required) withTickets.add(drop().drop_id)
      machine.value.reset()
      // A stranger logs in first. For a buyer the purchase begins in the same instant.
      if (!(await makeReady())) return
      buying().of(drop().drop_id).tap(quantity)
    },
    reset: () => machine.value.reset(),
  }
}

const LABELS: Readonly<Record<Standing, string>> = {
  soon: say('not_yet'),
  open: say('buy'),
  paused: say('paused'),
  sold_out: say('sold_out'),
  closed: say('closed'),
}

/** Rooms have more words for the time before the opening. */
function shown({ state, remaining }: Sellable): Pick<Drop, 'state' | 'remaining'> {
  const known = ['closed', 'paused', 'sold_out', 'open'].includes(state) ? state : 'scheduled'
  return { state: known as Drop['state'], remaining }
}

/** What a screen does for the actions that are its own. */
export interface Own {
  readonly dropId: string
  again(): void
  close(): void
  refresh(): void
}

const AGAIN: readonly Action[] = ['retry', 'buy', 'buy_again', 'get_ticket', 'solve', 'confirm']

/** Do the one next action of a refusal. */
export async function follow({ action, code }: Advice, own: Own): Promise<void> {
  if (AGAIN.includes(action)) own.again()
  else if (action === 'login') {
    if (await logIn()) own.again()
  } else if (action === 'see_orders') {
    own.close()
    if (code === 'over_limit') toOrders()
    else toOrder(own.dropId)
  } else if (action === 'home') toHome()
  else if (action === 'contact') {
    void uni.showModal({
      title: say('contact_title'),
      content: say('contact_text', { id: own.dropId }),
      showCancel: false,
      confirmText: say('close'),
    })
  } else if (action === 'update') renew()
  else {
    // Wait, watch, correct, go back: the screen below shows how it goes on.
    own.refresh()
    if (action !== 'correct') own.close()
  }
}

/** The newest version of this face. */
function renew(): void {
  // #ifdef H5
  location.reload()
  // #endif
  // #ifdef MP-WEIXIN
  uni.getUpdateManager().applyUpdate()
  // #endif
}
