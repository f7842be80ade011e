/** The page at the door: asks a small cached file, holds this visitor for a while, and lets in. */

import './door.css'

import { backoffMs } from '../core/backoff.ts'
import { decide, parseDraw, type Door, type Draw } from './rule.ts'
import { language, say } from './texts.ts'

const KEPT = 'livesale-door'
const INSIDE_S = 600 // so long the shop lets this browser in without the door
const PATIENCE_MS = 8_000 // for an answer
const UNREACHABLE = { firstMs: 2_000, longestMs: 15_000 }

const { door: doorUrl = '', shop: shopUrl = '' } = document.documentElement.dataset

function part<T extends Element>(selector: string): T {
  const found = document.querySelector<T>(selector)
  if (found === null) throw new Error(`the page has no ${selector}`)
  return found
}

const main = part<HTMLElement>('main')
const title = part('h1')
const wait = part<HTMLElement>('.wait')
const why = part('.why')
const list = part('ul')
const enter = part<HTMLAnchorElement>('.enter')

/** The service's clock, as the last answer told it. A cache may make it a second or two late. */
let clock = { serverMs: 0, atMs: 0 }
const nowMs = (): number => clock.serverMs + performance.now() - clock.atMs

let kept: Draw | null = read()
let fails = 0
let door: Door | null = null
let timer = 0
let asking = 0
let isGoing = false

function again(ms: number): void {
  clearTimeout(timer)
  timer = setTimeout(() => void ask(), ms)
}

async function ask(): Promise<void> {
  const number = ++asking
  let waitMs: number
  try {
    const found = await load()
    if (number !== asking) return
    door = found
    clock = { serverMs: found.server_ms, atMs: performance.now() }
    fails = 0
    waitMs = found.retry_after_ms * (0.75 + 0.5 * Math.random())
  } catch {
    if (number !== asking) return
    fails += 1
    waitMs = backoffMs(UNREACHABLE, fails, Math.random)
  }
  show()
  again(waitMs)
}

async function load(): Promise<Door> {
  const stop = new AbortController()
  const late = setTimeout(() => stop.abort(), PATIENCE_MS)
  try {
    const answer = await fetch(doorUrl, { signal: stop.signal, credentials: 'omit' })
    if (!answer.ok) throw new Error(`${answer.status}`)
    return (await answer.json()) as Door
  } finally {
    clearTimeout(late)
  }
}

function show(): void {
  main.setAttribute('aria-busy', String(door === null && fails === 0))
  if (fails > 1 || (door === null && fails > 0)) return showUnreachable()
  if (door === null) return
  const decision = decide(door, nowMs(), kept, Math.random)
  if (decision.draw !== kept) keep(decision.draw)
  if (decision.goesIn) return goIn()
  title.textContent = say('title')
  wait.hidden = false
  part('time').textContent = duration((decision.draw?.atMs ?? 0) - nowMs())
  const isBefore = door.lines.some(({ opens_ms: opensMs }) => opensMs > nowMs())
  setText(why, say(isBefore ? 'fair_before' : 'fair_after'))
  part('.shop').textContent = door.shop
  list.replaceChildren(...door.lines.map(row))
}

function row({ title: name, opens_ms: opensMs, people, available }: Door['lines'][number]): Element {
  const item = document.createElement('li')
  const label = document.createElement('b')
  label.textContent = name
  const facts = document.createElement('span')
  const at = new Date(opensMs).toLocaleTimeString(language, { hour: '2-digit', minute: '2-digit' })
  const when = opensMs > nowMs() ? say('opens', at) : say('is_open')
  facts.textContent = [when, say('people', people), say('units', available)].join(' · ')
  item.append(label, facts)
  return item
}

function showUnreachable(): void {
  title.textContent = say('unreachable_title')
  setText(why, say('unreachable'))
  wait.hidden = true
  list.replaceChildren()
}

/** A reader of screens speaks it only when it changes. */
function setText(place: Element, text: string): void {
  if (place.textContent !== text) place.textContent = text
}

function goIn(): void {
  if (isGoing) return
  isGoing = true
  title.textContent = say('going')
  wait.hidden = true
  setText(why, '')
  list.replaceChildren()
  document.cookie = `door=in; path=/; max-age=${INSIDE_S}; samesite=lax`
  location.replace(target())
  setTimeout(() => (enter.hidden = false), 3_000)
}

/** The page of the shop that was asked for; `door=in` for browsers without cookies. */
function target(): string {
  return `${shopUrl}?door=in${location.hash}`
}

function duration(ms: number): string {
  const seconds = Math.max(0, Math.ceil(ms / 1000))
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`
}

/** Storage may be switched off: then a reload draws anew. */
function read(): Draw | null {
  try {
    return parseDraw(localStorage.getItem(KEPT))
  } catch {
    return null
  }
}

function keep(draw: Draw | null): void {
  kept = draw
  try {
    if (draw === null) localStorage.removeItem(KEPT)
    else localStorage.setItem(KEPT, JSON.stringify(draw))
  } catch {
    // see read()
  }
}

document.documentElement.lang = language
document.title = say('title')
part('.label').textContent = say('in')
enter.textContent = say('enter')
enter.href = target()
void ask()
setInterval(show, 250)
// A phone that slept asks at once.
document.addEventListener('visibilitychange', () => {
  if (document.visibilityState === 'visible') again(0)
})
