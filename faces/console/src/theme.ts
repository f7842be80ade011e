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

/** The value of a colour of the style sheet, for what is painted on a canvas. */
export function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim()
}
