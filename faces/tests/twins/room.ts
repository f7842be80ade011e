/**
 * A model of a room's channel, as docs/realtime.md describes it: numbered events, a bounded
 * history, snapshots, and a new epoch when events were lost.
 *
 * It changes its own objects step by step and does not share code with the reducer.
 */

import type {
  CommentView,
  DropView,
  ItemView,
  RoomEvent,
  RoomView,
  Snapshot,
} from '../../core/room/messages.ts'

const HISTORY = 8 // events that it keeps
const COMMENTS = 5 // comments of a snapshot

type Bare<T> = T extends RoomEvent ? Omit<T, 'offset' | 'at_ms'> : never

export class ModelRoom {
  epoch = 'a0'
  offset = 0
  history: RoomEvent[] = []
  /** Every state that it ever had, by epoch and offset. */
  readonly states = new Map<string, unknown>()
  readonly listeners = new Set<() => void>()
  private epochs = 0
  private commentIds = 0
  private room: RoomView
  private readonly items = new Map<string, ItemView>()
  private readonly drops = new Map<string, DropView>()
  private people = { online: 0, peak: 0, likes: 0 }
  private comments: CommentView[] = []
  private bag: Snapshot['bag'] = null

  constructor(private readonly now: () => number) {
    this.room = {
      room_id: 'r1',
      title: 't',
      cover_url: '',
      host: 'h',
      state: 'live',
      live_status: 101,
      starts_ms: 0,
      started_ms: null,
      ended_ms: null,
      pinned: null,
      pinned_ms: null,
      version: 1,
    } as RoomView
    this.note()
  }

  /** Change something; `choice` and `number` say what. */
  change(choice: number, number: number): void {
    const id = String(number % 4)
    const itemId = `i${id}`
    const dropId = `d${id}`
    const item = this.items.get(itemId)
    const drop = this.drops.get(dropId)
    switch (choice % 15) {
      case 0:
        this.room = { ...this.room, title: `t${number}` }
        return this.tell({ type: 'room.changed', room: this.room })
      case 1: {
        this.items.clear()
        for (const at of [number % 3, 3]) this.items.set(`i${at}`, itemOf(`i${at}`, number, at))
        this.room = { ...this.room, pinned: null, pinned_ms: null, version: this.room.version + 1 }
        return this.tell({ type: 'room.reset', room: this.room, items: [...this.items.values()] })
      }
      case 2: {
        const changed = itemOf(itemId, number, number % 5)
        this.items.set(itemId, changed)
        return this.tell({ type: 'item.changed', item: changed, version: this.raise() })
      }
      case 3: {
        if (!item) return
        this.items.delete(itemId)
        const version = this.raise()
        if (this.room.pinned === itemId) {
          this.room = { ...this.room, pinned: null, pinned_ms: null }
        }
        return this.tell({ type: 'item.removed', item: { item_id: itemId }, version })
      }
      case 4: {
        const positions: Record<string, number> = {}
        for (const [at, one] of [...this.items.values()].entries()) {
          const position = (at + number) % 7
          positions[one.item_id] = position
          this.items.set(one.item_id, { ...one, position })
        }
        const shelf = { positions: positions as never }
        return this.tell({ type: 'shelf.ordered', shelf, version: this.raise() })
      }
      case 5: {
        if (!item) return
        const pinned_ms = this.now()
        this.room = { ...this.room, pinned: itemId, pinned_ms }
        const pinned = { item_id: itemId, pinned_ms }
        return this.tell({ type: 'item.pinned', item: pinned, version: this.raise() })
      }
      case 6: {
        const { pinned } = this.room
        if (pinned === null) return
        this.room = { ...this.room, pinned: null, pinned_ms: null }
        const unpinned = { item_id: pinned }
        return this.tell({ type: 'item.unpinned', item: unpinned, version: this.raise() })
      }
      case 7: {
        const phases = ['prepared', 'opening', 'open', 'sold_out', 'paused', 'closed'] as const
        const types = {
          prepared: 'drop.prepared',
          opening: 'drop.opening',
          open: 'drop.open',
          sold_out: 'drop.sold_out',
          paused: 'drop.paused',
          closed: 'drop.closed',
        } as const
        const phase = phases[number % 6] ?? 'open'
        const changed = dropOf(dropId, phase, number)
        this.drops.set(dropId, changed)
        return this.tell({ type: types[phase], drop: changed })
      }
      case 8: {
        if (!drop) return
        const changed = { ...drop, remaining: number % 100 }
        this.drops.set(dropId, changed)
        const { remaining, allotted } = changed
        return this.tell({ type: 'stock', stock: { drop_id: dropId, remaining, allotted } })
      }
      case 9:
        this.people = { ...this.people, online: number, likes: this.people.likes + 1 }
        return this.tell({ type: 'people', people: this.people })
      case 10:
        return this.say(`c${number}`)
      case 11: {
        const found = this.comments[number % Math.max(1, this.comments.length)]
        if (!found) return
        this.comments = this.comments.filter((one) => one !== found)
        const comment = { comment_id: found.comment_id }
        return this.tell({ type: 'comment.deleted', comment })
      }
      case 12: {
        const until_ms = this.now() + number
        const viewer = { person_id: `p${id}`, bar: 'mute' as const, until_ms }
        return this.tell({ type: 'viewer.barred', viewer })
      }
      case 13: {
        if (!drop) return
        this.drops.delete(dropId)
        return this.tell({ type: 'drop.removed', drop: { drop_id: dropId } })
      }
      default: {
        const bag = {
          bag_id: `b${number}`,
          title: 'b',
          state: 'open' as const,
          prize: { drop_id: null, coupon: 'x' },
          places: 1,
          stay_ms: 0,
          draws_ms: 0,
          commitment: '00',
        }
        this.bag = bag
        return this.tell({ type: 'bag.opened', bag })
      }
    }
  }

  say(text: string): void {
    this.commentIds += 1
    const comment_id = this.commentIds
    const comment = { comment_id, at_ms: this.now(), person_id: 'p', role: 'viewer' as const, text }
    this.comments = [...this.comments, comment].slice(-COMMENTS)
    this.tell({ type: 'comment', comment })
  }

  /** Redis lost events: a new epoch begins, with an event. */
  lose(): void {
    this.epochs += 1
    this.epoch = `e${this.epochs}`
    this.offset = 0
    this.history = []
    this.change(0, this.epochs)
  }

  reaches(after: number): boolean {
    return this.offset - this.history.length <= after && after <= this.offset
  }

  after(offset: number): RoomEvent[] {
    return this.history.filter((event) => (event.offset ?? 0) > offset)
  }

  snapshot(): Snapshot {
    return {
      type: 'snapshot',
      epoch: this.epoch,
      offset: this.offset,
      server_ms: this.now(),
      ...this.view(),
    }
  }

  private view() {
    const { room, people, comments, bag } = this
    const [items, drops] = [[...this.items.values()], [...this.drops.values()]]
    return { room, items, drops, people, comments: [...comments], bag }
  }

  private raise(): number {
    this.room = { ...this.room, version: this.room.version + 1 }
    return this.room.version
  }

  private tell(bare: Bare<RoomEvent>): void {
    this.offset += 1
    const event = { ...bare, offset: this.offset, at_ms: this.now() } as RoomEvent
    this.history = [...this.history, event].slice(-HISTORY)
    this.note()
    for (const run of [...this.listeners]) run()
  }

  private note(): void {
    this.states.set(`${this.epoch}:${this.offset}`, normal(this.snapshot()))
  }
}

interface Comparable {
  readonly room: RoomView
  readonly items: readonly ItemView[]
  readonly drops: readonly DropView[]
  readonly people: unknown
  readonly comments: readonly CommentView[]
  readonly bag: unknown
}

/** What two views of a room must have in common, in an order of its own. */
export function normal({ room, items, drops, people, comments, bag }: Comparable) {
  return {
    room,
    items: [...items].sort((a, b) => a.position - b.position || (a.item_id < b.item_id ? -1 : 1)),
    drops: [...drops].sort((a, b) => (a.drop_id < b.drop_id ? -1 : 1)),
    people,
    comments: comments.map((one) => one.comment_id),
    bag,
  }
}

function itemOf(item_id: string, number: number, position: number): ItemView {
  return {
    item_id,
    title: `item ${number}`,
    image_url: '',
    price_fen: number,
    state: 'on_sale',
    position,
    sku_id: null,
    drop_id: null,
  } as ItemView
}

function dropOf(drop_id: string, phase: DropView['phase'], number: number): DropView {
  return {
    drop_id,
    title: drop_id,
    sku_id: 's',
    price_fen: 100,
    buyer_limit: 1,
    hold_ms: 1000,
    ticket_required: false,
    phase,
    remaining: number % 50,
    allotted: 100,
    opens_ms: 0,
    closes_ms: 0,
  } as DropView
}
