"""Writes down what a page of a room shows, each time that it changes, with the time."""

import json
from typing import Any

from msgspec import Struct, convert
from playwright.async_api import Page

# What the page says of a purchase, word for word, and what must be true then.
HELD = ("It is yours", "It is yours: pay now")
SOLD = ("Paid", "Paid. It is yours")

# It sees what a person sees: texts of the page, not its variables. The clock is the machine's, as
# is that of the service.
_SCRIPT = """(words) => {
  const sights = []
  window.sights = sights
  let last = ''
  const text = (selector) => {
    const found = document.querySelector(selector)
    return found === null ? '' : found.textContent.trim()
  }
  const said = () => {
    const found = new Set()
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
    for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
      const one = node.data.trim()
      if (words.includes(one)) found.add(one)
    }
    return [...found].sort()
  }
  const look = () => {
    if (document.body === null) return
    const sight = {
      notice: text('.room .signs .notice'),
      stock: text('.room .pinned .numbers .count'),
      refusal: text('.sheet [role=alert]'),
      claims: said(),
      comments: [...document.querySelectorAll('.room .comments .row')].map(
        (row) => [Number(row.id.slice(1)), row.querySelector('.text').textContent],
      ),
    }
    const key = JSON.stringify(sight)
    if (key === last) return
    last = key
    sights.push({ at_ms: performance.timeOrigin + performance.now(), ...sight })
  }
  const what = { childList: true, subtree: true, characterData: true }
  new MutationObserver(look).observe(document, what)
}"""


class Sight(Struct, frozen=True):
    """What the page showed from `at_ms` on. Empty texts were not there."""

    at_ms: float
    notice: str = ""
    stock: str = ""
    refusal: str = ""
    claims: list[str] = []
    comments: list[tuple[int, str]] = []


async def begin(page: Page) -> None:
    """Before the page opens."""
    await page.add_init_script(f"({_SCRIPT})({json.dumps([*HELD, *SOLD])})")


async def sights(page: Page) -> list[Sight]:
    found: Any = await page.evaluate("window.sights")
    return convert(found, list[Sight])
