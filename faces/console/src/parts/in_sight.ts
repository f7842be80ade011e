/** Which elements are on the screen: what nobody sees is not painted. One observer for all. */

type Told = (isInSight: boolean) => void

const told = new WeakMap<Element, Told>()
const MARGIN = '120px'

const observer = new IntersectionObserver(
  (entries) => {
    for (const entry of entries) told.get(entry.target)?.(entry.isIntersecting)
  },
  { rootMargin: MARGIN },
)

export function follow(element: Element, tell: Told): void {
  told.set(element, tell)
  observer.observe(element)
}

export function leave(element: Element): void {
  observer.unobserve(element)
  told.delete(element)
}
