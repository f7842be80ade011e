"""Writes down what a page of a room shows, each time that it changes, with the time."""

from typing import Any

from msgspec import Struct, convert
from playwright.async_api import Page

# It sees what a person sees: texts of the page, not its variables. The clock is the machine's, as
# is that of the service.
SCRIPT = """() => {
  const sights = []
  window.sights = sights
  let last = ''
  const text = (selector) => {
    const found = document.querySelector(selector)
    return found === null ? '' : found.textContent.trim()
  }
  const look = () => {
    const sight = {
      title: text('.room .host .name'),
      people: text('.room .host .small'),
      notice: text('.room .signs .notice'),
      curtain: text('.room .curtain .big'),
      stock: text('.room .pinned .count'),
      button: text('.room .pinned .button'),
      refusal: text('.refusal') || text('.sheet [role=alert]'),
      order: text('.order'),
      strip: text('.strip'),
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
  const begin = () => new MutationObserver(look).observe(document.documentElement, what)
  if (document.documentElement) begin()
  else document.addEventListener('readystatechange', begin, { once: true })
}"""


class Sight(Struct, frozen=True):
    """What the page showed from `at_ms` on. Empty texts were not there."""

    at_ms: float
    title: str = ""
    people: str = ""
    notice: str = ""
    curtain: str = ""
    stock: str = ""
    button: str = ""
    refusal: str = ""
    order: str = ""
    strip: str = ""
    comments: list[tuple[int, str]] = []


async def begin(page: Page) -> None:
    """Before the page opens."""
    await page.add_init_script(f"({SCRIPT})()")


async def sights(page: Page) -> list[Sight]:
    found: Any = await page.evaluate("window.sights")
    return convert(found, list[Sight])
