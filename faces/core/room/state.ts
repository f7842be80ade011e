/**
 * What a viewer sees of a room: a snapshot, and the events after it. No I/O.
 *
 * Each event is applied once and in its order (docs/realtime.md), or not at all: then the verdict
 * says why, and after a gap the owner of the line asks again from the last place.
 */

import type {
  BagView,
  CommentView,
  DropView,
  ItemView,
  PeopleView,
  RoomEvent,
  RoomView,
  Snapshot,
} from './messages.ts'
import { judgeEvent, judgeSnapshot, moved, type Place, type Verdict } from './place.ts'

export const ROWS = 60 // comments that a screen keeps

/** Until when somebody may not comment (mute) or not enter (ban). */
export interface Bars {
  readonly mute?: number
  readonly ban?: number
}

export interface Shown {
  readonly place: Place
  readonly room: RoomView
  /** By position, as viewers see them. */
  readonly items: readonly ItemView[]
  readonly drops: Readonly<Record<string, DropView>>
  readonly people: PeopleView
  readonly comments: readonly CommentView[]
  readonly bag: BagView | null
  /** The states of lines by drop, since the snapshot: a snapshot has none. */
  readonly lines: Readonly<Record<string, string>>
  /** By person id, since the snapshot: a snapshot has none. */
  readonly bars: Readonly<Record<string, Bars>>
}

export interface Heard {
  readonly shown: Shown | null
  readonly verdict: Verdict
}

export function hearSnapshot(shown: Shown | null, line: number, found: Snapshot): Heard {
  const place = shown?.place ?? null
  const arrival = { line, epoch: found.epoch, offset: found.offset }
  const verdict = judgeSnapshot(place, arrival)
  if (verdict !== 'applied') return { shown, verdict }
  return {
    verdict,
    shown: {
      place: moved(place, arrival),
      room: found.room,
      items: sorted(found.items),
      drops: Object.fromEntries(found.drops.map((drop) => [drop.drop_id, drop])),
      people: found.people,
      comments: found.comments.slice(-ROWS),
      bag: found.bag,
      bars: {},
      lines: {},
    },
  }
}

/** `epoch` is that of the line: events do not repeat it. */
export function hearEvent(
  shown: Shown | null,
  line: number,
  epoch: string,
  event: RoomEvent,
): Heard {
  const arrival = { line, epoch, offset: event.offset ?? 0 }
  const verdict = judgeEvent(shown?.place ?? null, arrival)
  if (verdict !== 'applied' || shown === null) return { shown, verdict }
  return { verdict, shown: { ...shown, ...change(shown, event), place: moved(shown.place, arrival) } }
}

/** What an event changes. An event of a newer service changes nothing here. */
function change(shown: Shown, event: RoomEvent): Partial<Shown> {
  switch (event.type) {
    case 'room.changed':
      return { room: event.room }
    case 'room.reset':
      return { room: event.room, items: sorted(event.items) }
    case 'item.changed':
      return {
        items: sorted([...without(shown.items, event.item.item_id), event.item]),
        room: { ...shown.room, version: event.version },
      }
    case 'item.removed':
      return {
        items: without(shown.items, event.item.item_id),
        room: unpinned(shown.room, event.version, event.item.item_id),
      }
    case 'shelf.ordered':
      return {
        items: sorted(shown.items.map((item) => placed(item, event.shelf.positions))),
        room: { ...shown.room, version: event.version },
      }
    case 'item.pinned': {
      const { item_id: pinned, pinned_ms } = event.item
      return { room: { ...shown.room, pinned, pinned_ms, version: event.version } }
    }
    case 'item.unpinned':
      return { room: unpinned(shown.room, event.version) }
    case 'drop.prepared':
    case 'drop.opening':
    case 'drop.open':
    case 'drop.sold_out':
    case 'drop.returned':
    case 'drop.paused':
    case 'drop.resumed':
    case 'drop.closed':
      return { drops: { ...shown.drops, [event.drop.drop_id]: event.drop } }
    case 'drop.removed': {
      const { [event.drop.drop_id]: _, ...drops } = shown.drops
      return { drops }
    }
    case 'stock': {
      const { drop_id, remaining, allotted } = event.stock
      const drop = shown.drops[drop_id]
      return drop ? { drops: { ...shown.drops, [drop_id]: { ...drop, remaining, allotted } } } : {}
    }
    case 'line':
      return { lines: { ...shown.lines, [event.line.drop_id]: event.line.state } }
    case 'people':
      return { people: event.people }
    case 'comment':
      return { comments: [...shown.comments, event.comment].slice(-ROWS) }
    case 'comment.deleted': {
      const gone = event.comment.comment_id
      return { comments: shown.comments.filter((comment) => comment.comment_id !== gone) }
    }
    case 'viewer.barred': {
      const { person_id, bar, until_ms } = event.viewer
      return { bars: barred(shown.bars, person_id, bar, until_ms) }
    }
    case 'viewer.unbarred':
      return { bars: barred(shown.bars, event.viewer.person_id, event.viewer.bar, undefined) }
    case 'bag.opened':
    case 'bag.drawn':
    case 'bag.void':
      return { bag: event.bag }
    default:
      return {}
  }
}

function unpinned(room: RoomView, version: number, only?: string): RoomView {
  if (only !== undefined && room.pinned !== only) return { ...room, version }
  return { ...room, pinned: null, pinned_ms: null, version }
}

function without(items: readonly ItemView[], itemId: string): ItemView[] {
  return items.filter((item) => item.item_id !== itemId)
}

function placed(item: ItemView, positions: Readonly<Record<string, number>>): ItemView {
  const position = positions[item.item_id]
  return position === undefined ? item : { ...item, position }
}

function sorted(items: readonly ItemView[]): ItemView[] {
  return [...items].sort((a, b) => a.position - b.position || (a.item_id < b.item_id ? -1 : 1))
}

function barred(
  bars: Shown['bars'],
  personId: string,
  bar: 'mute' | 'ban',
  untilMs: number | undefined,
): Shown['bars'] {
  const { [bar]: _, ...others } = bars[personId] ?? {}
  const now: Bars = untilMs === undefined ? others : { ...others, [bar]: untilMs }
  return { ...bars, [personId]: now }
}
