"""Links into the mini-program, made by WeChat and kept: one for a page, for all who ask.

WeChat makes 500,000 a day; so there are links only to what exists, and each worker asks for a few
a second.
"""

from collections.abc import Awaitable, Callable, Mapping
from enum import StrEnum
from typing import Protocol

import structlog
from msgspec import Struct

from livesale.errors import LivesaleError
from livesale.settings import Settings
from livesale.tasks.ttl_cache import TtlCache

FRESH_S = 86_400.0  # after this a new one is made; the old one is valid for days
DAY_MS = 86_400_000
MAX_KEPT = 5_000

log = structlog.get_logger(__name__)


class Page(StrEnum):
    HOME = "home"
    ROOM = "room"
    DROP = "drop"
    PRODUCT = "product"


class MiniProgramLink(Struct, frozen=True):
    """Open `url` in a browser: it asks to open WeChat, or says how to get it."""

    url: str
    expires_ms: int


class LinkOff(LivesaleError):
    """There is no mini-program, or the settings do not name its page."""


class LinkUnavailable(LivesaleError):
    """WeChat made no link."""


class MakesLinks(Protocol):
    """`livesale.links.wechat`."""

    async def make(self, path: str, query: str, days: int) -> str:
        """A link that opens a page for so many days. Raises LinkUnavailable or Crowded."""
        ...


# Raises Unknown for an id of nothing.
Check = Callable[[str], Awaitable[object]]


class MiniProgramLinks:
    """One per process. `checks` know what exists; `now_ms` is Redis's clock."""

    def __init__(
        self,
        settings: Settings,
        wechat: MakesLinks,
        checks: Mapping[Page, Check],
        now_ms: Callable[[], int],
    ) -> None:
        self._pages = pages_of(settings)
        self._days = settings.mini_program.link_days
        self._wechat = wechat
        self._checks = checks
        self._now_ms = now_ms
        self._links = TtlCache(
            self._make, ttl_s=FRESH_S, max_found=MAX_KEPT, stale_on=(LinkUnavailable,)
        )

    async def find(self, page: Page, object_id: str) -> MiniProgramLink:
        """Raises LinkOff, Unknown, LinkUnavailable, Crowded, StoreUnavailable."""
        if page not in self._pages:
            raise LinkOff(page)
        if page in self._checks:
            await self._checks[page](object_id)
        key = f"{page}:{object_id}"
        link = await self._links.get(key)
        if link is None or link.expires_ms <= self._now_ms():  # WeChat was away for days
            self._links.forget(key)
            raise LinkUnavailable("the last link has ended")
        return link

    async def _make(self, key: str) -> MiniProgramLink:
        page, _, object_id = key.partition(":")
        path, _, query = self._pages[Page(page)].replace("{id}", object_id).partition("?")
        # A day less: WeChat may count whole days only.
        expires_ms = self._now_ms() + (self._days - 1) * DAY_MS
        try:
            url = await self._wechat.make(path, query, self._days)
        except LinkUnavailable as fault:
            log.warning("WeChat made no link", page=page, reason=str(fault))
            raise
        return MiniProgramLink(url, expires_ms)


def pages_of(settings: Settings) -> dict[Page, str]:
    """The pages that have links, and where they are in the mini-program."""
    wechat, program = settings.wechat, settings.mini_program
    if not (wechat.appid and wechat.secret.get_secret_value()):
        return {}
    pages = {
        Page.HOME: "",
        Page.ROOM: f"{settings.shop.room_page}?id={{id}}",
        Page.DROP: program.drop_page,
        Page.PRODUCT: program.product_page,
    }
    return {page: path for page, path in pages.items() if path or page is Page.HOME}
