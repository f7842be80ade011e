/** All purchases of one buyer: one machine a drop, restored after a start of the app. */

import { Purchase, type PurchasePorts } from './purchase.ts'

export class Purchases {
  private readonly machines = new Map<string, Purchase>()

  constructor(
    private readonly ports: PurchasePorts,
    private readonly needsTicket: (dropId: string) => boolean = () => false,
  ) {}

  of(dropId: string): Purchase {
    let machine = this.machines.get(dropId)
    if (machine === undefined) {
      machine = new Purchase(dropId, this.ports, () => this.needsTicket(dropId))
      this.machines.set(dropId, machine)
    }
    return machine
  }

  /** Go on with everything that was stored; returns these purchases. */
  restore(): Purchase[] {
    const found = this.ports.records.drops().map((dropId) => this.of(dropId))
    for (const purchase of found) purchase.restore()
    return found
  }

  /** Ask how the holds are: all of them, or that of one drop. */
  lookAgain(dropId?: string): void {
    for (const machine of this.machines.values()) {
      if (dropId === undefined || machine.dropId === dropId) machine.lookAgain()
    }
  }

  /** For another buyer, or the end. */
  stop(): void {
    for (const machine of this.machines.values()) machine.stop()
    this.machines.clear()
  }
}
