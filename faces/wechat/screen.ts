/** What a person sees of a page, and taps: texts, buttons, fields. */

import type { App, EaselNode } from './app.ts'

/** All text that is shown, in the order of the page. */
export function textOf(app: App): string {
  const page = app.top
  return page === undefined ? '' : textUnder(page.root.getComponent())
}

/** Taps the innermost thing that shows the text. False: nothing does, or it cannot be tapped. */
export function tap(app: App, text: string, index = 0): boolean {
  const page = app.top
  if (page === undefined) return false
  const found = everything(page.root.getComponent()).filter(
    (node) => !isText(node) && ownText(node).trim() === text,
  )
  const target = found.at(index)
  if (target === undefined || isDisabled(target)) return false
  trigger(target, 'tap', {})
  return true
}

/** Types into the field with this placeholder. */
export function type(app: App, placeholder: string, value: string): boolean {
  const page = app.top
  if (page === undefined) return false
  const field = everything(page.root.getComponent()).find(
    (node) => attribute(node, 'placeholder') === placeholder,
  )
  if (field === undefined) return false
  trigger(field, 'input', { value })
  trigger(field, 'confirm', { value })
  return true
}

/** The values of an attribute, such as `open-type`, wherever a page shows it. */
export function attributes(app: App, name: string): string[] {
  const page = app.top
  if (page === undefined) return []
  return everything(page.root.getComponent())
    .map((node) => attribute(node, name))
    .filter((value): value is string => typeof value === 'string')
}

function trigger(node: EaselNode, name: string, detail: object): void {
  const call = node['triggerEvent'] as (name: string, detail: object, options: object) => void
  call.call(node, name, detail, { bubbles: true, composed: true })
}

function attribute(node: EaselNode, name: string): unknown {
  const read = node['getAttribute'] as ((name: string) => { value: unknown } | undefined) | undefined
  const found = read?.call(node, name) as unknown
  return typeof found === 'object' && found !== null ? (found as { value: unknown }).value : found
}

function isDisabled(node: EaselNode): boolean {
  for (let at: EaselNode | null = node; at; at = at.getComposedParent()) {
    const value = attribute(at, 'disabled')
    if (value != null && value !== false && value !== 'false') return true
  }
  return false
}

/** As they are drawn: what a component gets for its slot is under that slot. */
function childrenOf(node: EaselNode): readonly EaselNode[] {
  return node.getComposedChildren?.() ?? []
}

function everything(node: EaselNode): EaselNode[] {
  return [node, ...childrenOf(node).flatMap((child) => everything(child))]
}

function textUnder(node: EaselNode): string {
  if (isText(node)) return node.textContent ?? ''
  return childrenOf(node)
    .map((kid) => textUnder(kid))
    .join(' ')
}

function isText(node: EaselNode): boolean {
  return node.getComposedChildren === undefined
}

/** The text of a node whose children that show something are all texts. */
function ownText(node: EaselNode): string {
  const kids = childrenOf(node).filter((kid) => textUnder(kid).trim() !== '')
  return kids.every(isText) ? kids.map((kid) => kid.textContent ?? '').join('') : ''
}
