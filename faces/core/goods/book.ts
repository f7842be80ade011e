/** What drops sell, asked for once: titles and pictures for lists of drops. */

import type { Api, Schemas } from '../api.ts'
import { Cell, type Watched } from '../cell.ts'

export type Goods = Schemas['ShownGoods']
type Known = Readonly<Record<string, Goods>>

const MAX_IDS = 50
const MAX_KEPT = 500

export class GoodsBook {
  private readonly cell = new Cell<Known>({})
  private readonly asking = new Set<string>()

  constructor(private readonly api: Pick<Api, 'ask'>) {}

  get state(): Watched<Known> {
    return this.cell
  }

  /** Ask for those that are not known. What no answer came for is asked again the next time. */
  async want(ids: readonly string[]): Promise<void> {
    const known = this.cell.get()
    const missing = [...new Set(ids)].filter((id) => !(id in known) && !this.asking.has(id))
    const pages: string[][] = []
    for (let at = 0; at < missing.length; at += MAX_IDS) pages.push(missing.slice(at, at + MAX_IDS))
    await Promise.all(pages.map((page) => this.ask(page)))
  }

  /** What another answer has said already. */
  learn(goods: readonly Goods[]): void {
    const named = goods.filter(({ title }) => title !== null)
    if (named.length === 0) return
    const all = { ...this.cell.get(), ...Object.fromEntries(named.map((one) => [one.drop_id, one])) }
    const kept = Object.entries(all).slice(-MAX_KEPT)
    this.cell.set(Object.fromEntries(kept))
  }

  private async ask(ids: readonly string[]): Promise<void> {
    for (const id of ids) this.asking.add(id)
    const answer = await this.api.ask('get', '/v1/goods', { query: { drops: ids.join(',') } })
    for (const id of ids) this.asking.delete(id)
    if (answer.kind === 'good') this.learn(answer.body.goods)
  }
}
