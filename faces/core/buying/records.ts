/** What is stored of purchases, before anything is sent: it survives when the app is killed. */

import type { Storage } from '../platform.ts'

export interface Record {
  readonly key: string
  readonly quantity: number
  /** Quantities that went out under this key before, and whose fate is not known. */
  readonly earlier: readonly number[]
  /** The phone's clock when the buyer tapped. */
  readonly begunMs: number
  /** Whether an attempt has no answer yet: it may have been carried out. */
  readonly isOpen: boolean
  readonly reservationId: string | null
}

export class Records {
  private readonly name: string
  private readonly known: Map<string, Record>

  /** Keys belong to a buyer: each has records of its own. */
  constructor(
    private readonly storage: Storage,
    buyerId: string,
  ) {
    this.name = `purchases:${buyerId}`
    this.known = this.stored()
  }

  drops(): string[] {
    return [...this.known.keys()]
  }

  get(dropId: string): Record | null {
    return this.known.get(dropId) ?? null
  }

  /** False: it could not be stored, so it is lost when the app is killed. */
  put(dropId: string, record: Record): boolean {
    this.known.set(dropId, record)
    return this.store()
  }

  remove(dropId: string): void {
    if (this.known.delete(dropId)) this.store()
  }

  private store(): boolean {
    try {
      if (this.known.size === 0) this.storage.remove(this.name)
      else this.storage.write(this.name, JSON.stringify(Object.fromEntries(this.known)))
      return true
    } catch {
      return false
    }
  }

  private stored(): Map<string, Record> {
    try {
      const found = JSON.parse(this.storage.read(this.name) ?? '{}') as { [drop: string]: Record }
      return new Map(Object.entries(found).filter(([, record]) => isRecord(record)))
    } catch {
      return new Map()
    }
  }
}

function isRecord(value: Record): boolean {
  return (
    typeof value?.key === 'string' &&
    Number.isInteger(value.quantity) &&
    Array.isArray(value.earlier) &&
    typeof value.begunMs === 'number'
  )
}
