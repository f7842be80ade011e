/** A phone with a purchase on it: it can be killed, and start again. */

import { Purchase, type PurchaseState } from '../../core/buying/purchase.ts'
import { Records } from '../../core/buying/records.ts'
import type { Engine } from '../twins/engine.ts'
import { type Fate, Network } from '../twins/network.ts'
import { Memory, Run, Screen, type World } from '../twins/world.ts'

export class Phone {
  readonly storage = new Memory()
  readonly states: PurchaseState[] = []
  /** Attempts that went out without their key in the storage. */
  unsaved = 0
  purchase!: Purchase
  network!: Network
  screen!: Screen
  private run!: Run

  constructor(
    private readonly world: World,
    private readonly engine: Engine,
    private readonly fates: Fate[] = [],
    private readonly options: { hasLogin?: boolean; needsTicket?: boolean; chance?: number } = {},
  ) {
    this.start()
  }

  get state(): PurchaseState {
    return this.purchase.state.get()
  }

  kill(): void {
    this.run.kill()
    this.start()
    this.purchase.restore()
  }

  hide(): void {
    this.screen.hide()
    this.network.interrupt()
  }

  private start(): void {
    const run = new Run(this.world)
    this.run = run
    this.screen = new Screen()
    const { hasLogin = true, needsTicket = false, chance = 0.5 } = this.options
    this.network = new Network(this.world, run, this.engine, this.fates, hasLogin, ({ key }) => {
      if (!(this.storage.read('purchases:b1') ?? '').includes(key)) this.unsaved += 1
    })
    const records = new Records(this.storage, 'b1')
    const platform = { timers: run, visibility: this.screen, chance: () => chance }
    const ports = { platform, shop: this.network, records }
    this.purchase = new Purchase('d1', ports, () => needsTicket)
    const { purchase } = this
    purchase.state.watch((state) => {
      if (purchase === this.purchase) this.states.push(state)
    })
  }
}
