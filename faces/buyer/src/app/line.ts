/** The line in front of a drop on the screen. All that show one drop share one visit. */

import { type ComputedRef, computed, onUnmounted, shallowRef, watch } from 'vue'

import { Cell } from '@core/cell'
import type { PurchaseState } from '@core/buying/purchase'
import type { KnownLine } from '@core/line/known'
import { type LineSeen, type Phase, isListOpen, phaseOf } from '@core/line/phase'
import { LineVisit } from '@core/line/visit'
import { leftOf } from '@core/mine'

import { useCell, useNow } from './cells'
import { platform } from './platform'
import { api, knownLines, logIn, makeReady, mine, ownerName, purchaseOf, solver } from './services'
import { type Word, say } from './texts'

interface InLine {
  readonly drop_id: string
  readonly ticket_required: boolean
  readonly buyer_limit: number
}

export interface Line {
  readonly seen: ComputedRef<LineSeen>
  readonly phase: ComputedRef<Phase>
  /** Whether the screen shows a line instead of a plain button. */
  readonly isHere: ComputedRef<boolean>
  /** Whether a draw still takes entries. */
  readonly isListOpen: ComputedRef<boolean>
  readonly known: ComputedRef<KnownLine>
  join(): Promise<void>
  leave(): void
  lookAgain(): void
}

const NO_LINE: LineSeen = {
  hasLine: false,
  line: null,
  place: null,
  isPlaceKnown: true,
  doing: null,
  problem: null,
  isStale: false,
}
const nothing = new Cell(NO_LINE)

interface Shared {
  readonly visit: LineVisit
  readonly end: () => void
  readers: number
}

const visits = new Map<string, Shared>()

/** A room has told of this line: whoever watches it looks at once. */
export function hearLine(dropId: string): void {
  visits.get(`${dropId} ${ownerName()}`)?.visit.hear()
}

export function useLine(drop: () => InLine): Line {
  const shared = shallowRef<Shared | null>(null)
  let release = (): void => {}
  watch(
    () => (drop().ticket_required ? `${drop().drop_id} ${ownerName()}` : ''),
    (name) => {
      release()
      shared.value = name ? share(name, drop().drop_id) : null
      release = () => give(name)
    },
    { immediate: true },
  )
  onUnmounted(() => release())

  const now = useNow()
  const owned = useCell(() => mine.state)
  const seen = useCell(() => shared.value?.visit.state ?? nothing)
  const known = computed(() => (seen.value, knownLines().of(drop().drop_id)))
  const units = computed(() => leftOf(owned.value, drop().drop_id, drop().buyer_limit)?.units ?? 0)
  const phase = computed(() => phaseOf(seen.value, known.value, units.value))
  return {
    seen: computed(() => seen.value),
    phase,
    known,
    isHere: computed(() => phase.value !== 'none'),
    isListOpen: computed(() => {
      const { line } = seen.value
      return line !== null && isListOpen(line, now.value?.ms ?? line.server_ms)
    }),
    async join() {
      if (await makeReady()) shared.value?.visit.join()
    },
    leave: () => shared.value?.visit.leave(),
    lookAgain: () => shared.value?.visit.lookAgain(),
  }
}

function share(name: string, dropId: string): Shared {
  let found = visits.get(name)
  if (found === undefined) {
    const visit = new LineVisit(dropId, { platform, api, known: knownLines(), solver, logIn })
    const unwatch = purchaseOf(dropId).state.watch(usedBy(visit))
    const end = (): void => {
      visit.stop()
      unwatch()
    }
    found = { visit, end, readers: 0 }
    visits.set(name, found)
    visit.start()
  }
  found.readers += 1
  return found
}

function give(name: string): void {
  const found = visits.get(name)
  if (found === undefined) return
  found.readers -= 1
  if (found.readers > 0) return
  visits.delete(name)
  found.end()
}

/** A purchase that began in a turn has used it; a refusal may say that the place is another. */
function usedBy(visit: LineVisit): (state: PurchaseState) => void {
  let before = ''
  return (state) => {
    const wasAsked = before === 'sending' || before === 'confirming'
    before = state.step
    if (!wasAsked) return
    if (state.step === 'held') visit.use()
    if (state.step !== 'refused') return
    const { code } = state.problem
    if (code === 'ticket_used') visit.use()
    if (LOOK_AGAIN.has(code)) visit.lookAgain()
  }
}

const LOOK_AGAIN = new Set(['not_your_turn', 'no_place', 'gone', 'sold_out'])

const LABELS: Readonly<Record<Phase, Word | null>> = {
  none: null,
  loading: 'loading',
  join: 'line_join',
  waiting: 'line_place',
  turn: 'line_turn_buy',
  held: 'line_pay',
  bought: 'line_orders',
  missed: 'line_again',
  left: 'line_again',
  gone: 'line_gone',
}

/** What a button says that leads to the line; empty where there is none. */
export function labelOf(line: Line): string {
  const word = line.phase.value === 'join' ? joinWord(line) : LABELS[line.phase.value]
  return word === null ? '' : say(word)
}

export function joinWord({ seen, isListOpen: isOpen }: Line): Word {
  const mode = seen.value.line?.mode
  if (mode === 'waitlist') return 'line_want'
  if (mode !== 'draw') return 'line_join'
  return isOpen.value ? 'line_enter' : 'line_behind'
}
