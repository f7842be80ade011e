/** Enter and the space bar press what has the role of a button or a link, as a tap does. H5 only. */

// #ifdef H5
const PRESSABLE = '[role="button"], [role="link"], [role="radio"]'

export function pressByKeys(): void {
  document.addEventListener('keydown', (event) => {
    const target = event.target as HTMLElement | null
    if (event.key !== 'Enter' && event.key !== ' ') return
    if (!target?.matches?.(PRESSABLE)) return
    event.preventDefault()
    target.click()
  })
}
// #endif
