/**
 * In browsers uni-app keeps the real field, and the box that scrolls, inside of elements of its own:
 * what screen readers and keys need must be on those.
 */

export function setInside(
  root: unknown,
  selector: string,
  attributes: Readonly<Record<string, string>>,
): void {
  // #ifdef H5
  const box = (root as { $el?: Element } | null | undefined)?.$el
  const found = box?.querySelector(selector)
  for (const [name, value] of Object.entries(attributes)) found?.setAttribute(name, value)
  // #endif
  // #ifndef H5
  void [root, selector, attributes]
  // #endif
}

/** The box of a scroll-view that scrolls down: keys can scroll it only with the focus on it. */
export const SCROLLS = '.uni-scroll-view[style*="auto"]'
