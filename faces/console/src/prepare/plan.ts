/** A sale as it is being prepared: what is typed in, what is wrong with it, and how it becomes drafts. */

import { reactive } from 'vue'

import { answer, api, newKey, type Schemas } from '../api/client.ts'
import { bodyOf, faultsOf as lineFaults, type Terms } from '../queue/terms.ts'
import type { Key } from '../texts/texts.ts'

export interface Picture {
  readonly id: string
  readonly url: string
}

/** One SKU, and the drop that sells it. Amounts are texts of yuan, as they were typed. */
export interface Line {
  readonly key: number
  variant: string
  skuId: string
  yuan: string
  listYuan: string
  units: number | ''
  limit: number | ''
}

export interface Goods {
  readonly key: number
  /** Of goods that there are already; empty for new ones. */
  productId: string
  title: string
  description: string
  pictures: Picture[]
  lines: Line[]
}

export interface Plan {
  goods: Goods[]
  title: string
  opens: string
  closes: string
  holdMinutes: number | ''
  /** In front of each drop of the sale; null: who comes first buys. */
  line: Terms | null
  hasRoom: boolean
  roomTitle: string
  host: string
  hostName: string
  /** What viewers see of the room and of the host; without a cover it is the first picture of goods. */
  cover: Picture | null
  hostPicture: Picture | null
}

export interface Step {
  readonly label: Key
  readonly name: string
  state: 'waiting' | 'busy' | 'done' | 'wrong'
}

let keys = 0

/** The same file again is the same picture. Throws Refused or Unanswered. */
export async function uploadPicture(file: File): Promise<Picture> {
  const headers = { 'Content-Type': 'application/octet-stream' }
  const asked = api.POST('/v1/admin/pictures', { body: file as unknown as string, bodySerializer: (body) => body, headers })
  const made = await answer(asked)
  return { id: made.picture_id, url: made.sizes.medium?.jpeg ?? '' }
}

export function newLine(): Line {
  return { key: keys++, variant: '', skuId: '', yuan: '', listYuan: '', units: '', limit: 1 }
}

export function newGoods(): Goods {
  return { key: keys++, productId: '', title: '', description: '', pictures: [], lines: [newLine()] }
}

/** A time for an input of the browser, in its own zone. */
export function inputOf(ms: number): string {
  const at = new Date(ms - new Date(ms).getTimezoneOffset() * 60_000)
  return at.toISOString().slice(0, 16)
}

export function newPlan(nowMs: number): Plan {
  const soon = Math.ceil((nowMs + 900_000) / 900_000) * 900_000
  return {
    goods: [newGoods()], title: '', opens: inputOf(soon), closes: inputOf(soon + 7_200_000),
    holdMinutes: 10, line: null, hasRoom: false, roomTitle: '', host: '', hostName: '', cover: null, hostPicture: null,
  }
}

/** Fen of a text of yuan; null if it is none. No arithmetic with fractions. */
export function fenOf(text: string | number): number | null {
  const found = /^(\d{1,7})(?:\.(\d{1,2}))?$/.exec(String(text).trim())
  return found === null ? null : Number(found[1]) * 100 + Number((found[2] ?? '').padEnd(2, '0'))
}

export const msOf = (input: string): number => (input === '' ? 0 : new Date(input).getTime())
const whole = (value: number | ''): value is number => Number.isInteger(value) && Number(value) >= 1

/** What is wrong, as keys of texts: each with the name of its field. */
export function faultsOf(plan: Plan, nowMs: number): Map<string, Key> {
  const found = new Map<string, Key>()
  for (const goods of plan.goods) {
    if (goods.title.trim() === '') found.set(`goods ${goods.key} title`, 'plan.notitle')
    if (goods.lines.length > 1 && goods.productId === '') {
      const names = goods.lines.map((line) => line.variant.trim())
      goods.lines.forEach((line, at) => {
        if (names[at] === '' || names.indexOf(names[at] ?? '') !== at) found.set(`line ${line.key} variant`, 'plan.novariant')
      })
    }
    for (const line of goods.lines) {
      const fen = fenOf(line.yuan)
      if (fen === null || fen === 0) found.set(`line ${line.key} yuan`, 'plan.noprice')
      if (!whole(line.units)) found.set(`line ${line.key} units`, 'plan.nounits')
      if (!whole(line.limit)) found.set(`line ${line.key} limit`, 'plan.nolimit')
    }
  }
  if (plan.title.trim() === '') found.set('title', 'plan.notitle')
  const [opens, closes] = [msOf(plan.opens), msOf(plan.closes)]
  if (!opens) found.set('opens', 'plan.notime')
  if (!closes || closes <= opens) found.set('closes', 'plan.badclose')
  else if (closes <= nowMs) found.set('closes', 'plan.over')
  if (!whole(plan.holdMinutes)) found.set('hold', 'plan.nohold')
  if (plan.line !== null && Object.keys(lineFaults(plan.line)).length > 0) found.set('line', 'plan.badline')
  else if (plan.line !== null && plan.line.mode !== 'waitlist' && !plan.hasRoom && opens <= nowMs) found.set('opens', 'plan.nogather')
  if (plan.hasRoom) {
    if (plan.roomTitle.trim() === '') found.set('roomTitle', 'plan.notitle')
    if (!/^[A-Za-z0-9_-]{1,40}$/.test(plan.host.trim())) found.set('host', 'plan.nohost')
  }
  return found
}

/**
 * Makes the drafts, one call after the other. What is done is remembered, and each call has a key of
 * its own: after a fault or a lost answer the same `save` goes on where it stopped, and nothing is
 * made twice.
 */
export class Saving {
  readonly steps: Step[]
  campaignId = ''
  roomId = ''
  private readonly skuIds = new Map<number, string>()
  private readonly products = new Set<number>()
  private readonly dropIds = new Map<number, string>()
  private readonly shelved = new Set<number>()
  private readonly lined = new Set<number>()
  private readonly keys = new Map<string, string>()

  constructor(private readonly plan: Plan) {
    const lines = plan.goods.flatMap((goods) => goods.lines.map((line) => nameOf(goods, line)))
    const made: [Key, string][] = [
      ...plan.goods.filter((goods) => goods.productId === '').map((goods): [Key, string] => ['plan.step.product', goods.title]),
      ['plan.step.campaign', plan.title],
      ...(plan.hasRoom ? [['plan.step.room', plan.roomTitle] as [Key, string]] : []),
      ...lines.map((name): [Key, string] => ['plan.step.drop', name]),
      ...(plan.line ? lines.map((name): [Key, string] => ['plan.step.line', name]) : []),
      ...(plan.hasRoom ? lines.map((name): [Key, string] => ['plan.step.shelf', name]) : []),
    ]
    this.steps = reactive(made.map(([label, name]) => ({ label, name, state: 'waiting' })))
  }

  /** Throws Refused or Unanswered; call it again to go on. */
  async save(): Promise<void> {
    let at = 0
    const step = async (isDone: boolean, work: () => Promise<unknown>): Promise<void> => {
      const shown = this.steps[at++] // undefined for what was added after a fault
      if (isDone) return
      const show = (state: Step['state']): void => void (shown && (shown.state = state))
      show('busy')
      try {
        await work()
        show('done')
      } catch (fault) {
        show('wrong')
        throw fault
      }
    }
    const { plan } = this
    for (const goods of plan.goods) {
      if (goods.productId === '') await step(this.products.has(goods.key), () => this.makeProduct(goods))
      else for (const line of goods.lines) this.skuIds.set(line.key, line.skuId)
    }
    await step(this.campaignId !== '', async () => {
      const body = { title: plan.title.trim(), opens_ms: msOf(plan.opens), closes_ms: msOf(plan.closes) }
      this.campaignId = (await answer(api.POST('/v1/admin/campaigns', { params: this.once('campaign'), body }))).campaign_id
    })
    if (plan.hasRoom) await step(this.roomId !== '', () => this.makeRoom())
    for (const { line } of this.lines()) await step(this.dropIds.has(line.key), () => this.makeDrop(line))
    if (plan.line) for (const { line } of this.lines()) await step(this.lined.has(line.key), () => this.putLine(line))
    if (!plan.hasRoom) return
    for (const { goods, line } of this.lines()) await step(this.shelved.has(line.key), () => this.shelve(goods, line))
  }

  /** The header of one thing that is made: the same in every attempt. */
  private once(what: string): { header: { 'Idempotency-Key': string } } {
    let key = this.keys.get(what)
    if (key === undefined) this.keys.set(what, (key = newKey()))
    return { header: { 'Idempotency-Key': key } }
  }

  private lines(): { goods: Goods; line: Line }[] {
    return this.plan.goods.flatMap((goods) => goods.lines.map((line) => ({ goods, line })))
  }

  private async makeProduct(goods: Goods): Promise<void> {
    const body: Schemas['NewProduct'] = {
      title: goods.title.trim(), description: goods.description, status: 'on_sale',
      pictures: goods.pictures.map((picture) => ({ picture_id: picture.id })),
      skus: goods.lines.map((line) => ({
        title: nameOf(goods, line), price_fen: fenOf(line.listYuan) ?? fenOf(line.yuan) ?? 0,
      })),
    }
    const made = await answer(api.POST('/v1/admin/products', { params: this.once(`product ${goods.key}`), body }))
    // By title: the order of the answer is not promised, and titles of one product differ.
    for (const line of goods.lines) {
      const found = made.skus.find((sku) => sku.title === nameOf(goods, line))
      if (found !== undefined) this.skuIds.set(line.key, found.sku_id)
    }
    this.products.add(goods.key)
  }

  private async makeRoom(): Promise<void> {
    const { plan } = this
    const cover = (plan.cover ?? plan.goods.flatMap((goods) => goods.pictures)[0])?.url ?? ''
    const body: Schemas['NewRoom'] = {
      title: plan.roomTitle.trim(), host: plan.host.trim(), starts_ms: msOf(plan.opens),
      cover_url: cover,
      ...(plan.hostName.trim() === '' ? {} : { host_name: plan.hostName.trim() }),
      ...(plan.hostPicture === null ? {} : { host_avatar_url: plan.hostPicture.url }),
    }
    this.roomId = (await answer(api.POST('/v1/rooms', { params: this.once('room'), body }))).room_id
  }

  private async makeDrop(line: Line): Promise<void> {
    const body: Schemas['NewDrop'] = {
      campaign_id: this.campaignId, sku_id: this.skuIds.get(line.key) ?? '', price_fen: fenOf(line.yuan) ?? 0,
      allotted: Number(line.units), buyer_limit: Number(line.limit), hold_ms: Number(this.plan.holdMinutes) * 60_000,
      room_id: this.roomId || null, ticket_required: this.plan.line !== null,
    }
    const made = await answer(api.POST('/v1/admin/drops', { params: this.once(`drop ${line.key}`), body }))
    this.dropIds.set(line.key, made.drop_id)
  }

  /** Putting the same line again is no second one. */
  private async putLine(line: Line): Promise<void> {
    if (this.plan.line === null) return
    const params = { path: { drop_id: this.dropIds.get(line.key) ?? '' } }
    await answer(api.POST('/v1/admin/drops/{drop_id}/line', { params, body: bodyOf(this.plan.line) }))
    this.lined.add(line.key)
  }

  private async shelve(goods: Goods, line: Line): Promise<void> {
    const picture = goods.pictures[0]?.url ?? ''
    const body: Schemas['NewItem'] = {
      drop_id: this.dropIds.get(line.key) ?? '', state: 'visible', image_url: picture,
    }
    const params = { path: { room_id: this.roomId }, ...this.once(`item ${line.key}`) }
    await answer(api.POST('/v1/rooms/{room_id}/items', { params, body }))
    this.shelved.add(line.key)
  }
}

/** What buyers read for one SKU. */
export function nameOf(goods: Goods, line: Line): string {
  return [goods.title.trim(), line.variant.trim()].filter((part) => part !== '').join(' · ')
}
