/** Choosing a SKU by its attributes, such as colour and size. No I/O. */

import type { Schemas } from '../api.ts'

export type Sku = Schemas['ShownSku']

export interface Choice {
  readonly name: string
  readonly values: readonly { readonly value: string; readonly isOffered: boolean }[]
}

export type Chosen = Readonly<Record<string, string>>

/**
 * The attributes in which SKUs differ, in the order of the first SKU that has them. A value is
 * offered if a SKU has it together with all other chosen values.
 */
export function choicesOf(skus: readonly Sku[], chosen: Chosen): Choice[] {
  const names = [...new Set(skus.flatMap((sku) => sku.attributes.map(({ name }) => name)))]
  return names
    .map((name) => {
      const values = [...new Set(skus.map((sku) => valueOf(sku, name)).filter((v) => v !== null))]
      return {
        name,
        values: values.map((value) => ({
          value,
          isOffered: skus.some((sku) => fits(sku, { ...chosen, [name]: value })),
        })),
      }
    })
    .filter(({ values }) => values.length > 1)
}

/** The SKU with all chosen values; null while several have them. */
export function chosenSku(skus: readonly Sku[], chosen: Chosen): Sku | null {
  const found = skus.filter((sku) => fits(sku, chosen))
  return found.length === 1 ? (found[0] ?? null) : null
}

/** Take a value; others that no SKU has together with it are given up. */
export function choose(skus: readonly Sku[], chosen: Chosen, name: string, value: string): Chosen {
  const { [name]: known, ...others } = chosen
  if (known === value) return others
  let kept: Chosen = { [name]: value }
  for (const [other, had] of Object.entries(others)) {
    const more = { ...kept, [other]: had }
    if (skus.some((sku) => fits(sku, more))) kept = more
  }
  return kept
}

/** `红 · L`, for a line. */
export function inWords(attributes: Sku['attributes']): string {
  return attributes.map(({ value }) => value).join(' · ')
}

function fits(sku: Sku, chosen: Chosen): boolean {
  return Object.entries(chosen).every(([name, value]) => valueOf(sku, name) === value)
}

function valueOf(sku: Sku, name: string): string | null {
  return sku.attributes.find((one) => one.name === name)?.value ?? null
}
