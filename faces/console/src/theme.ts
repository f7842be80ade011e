/** Dark and light: as the system has it, until somebody chooses. */

import { shallowRef, watchEffect } from 'vue'

const KEPT = 'livesale.theme'
const system = window.matchMedia('(prefers-color-scheme: dark)')
const kept = localStorage.getItem(KEPT)

export const isDark = shallowRef(kept === null ? system.matches : kept === 'dark')

system.addEventListener('change', () => {
  if (localStorage.getItem(KEPT) === null) isDark.value = system.matches
})

watchEffect(() => {
  document.documentElement.classList.toggle('dark', isDark.value)
})

export function switchTheme(): void {
  isDark.value = !isDark.value
  localStorage.setItem(KEPT, isDark.value ? 'dark' : 'light')
}

const colours = new Map<string, string>()

/** The value of a colour of the style sheet, for what is painted on a canvas.
 *
 * Remembered: to ask for it makes the browser work out all styles at once, in the middle of a change. */
export function colour(name: string): string {
  const key = `${isDark.value} ${name}`
  let found = colours.get(key)
  if (found === undefined) {
    found = getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim()
    colours.set(key, found)
  }
  return found
}
