"""Sessions of operators in a request: a cookie says who asks, a header that our own page asks."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from typing import Protocol
from urllib.parse import urlsplit

from livesale.settings import Settings
from livesale.tokens.errors import SessionEnded
from livesale.tokens.signing import Operator
from livesale.web.headers import Headers
from livesale.web.problems import Problem

CSRF_HEADER = "X-CSRF-Token"
MAX_COOKIE = 150  # characters of ours

_READS = ("GET", "HEAD")


class OperatorSessions(Protocol):
    """Knows who shows a cookie: `livesale.identity.operators.sessions`."""

    async def find(self, token: str) -> Operator:
        """Raises SessionEnded or StoreUnavailable."""
        ...


class Cookies:
    """The cookie of a session.

    It is HttpOnly: no script reads it; SameSite=Strict: no other site sends it; and, unless in dev,
    Secure with the prefix __Host-: no other host sets it.
    """

    def __init__(self, settings: Settings) -> None:
        secure = settings.env != "dev"
        self.name = "__Host-livesale" if secure else "livesale"
        self._rest = f"; Path=/; HttpOnly; SameSite=Strict{'; Secure' if secure else ''}"

    def set(self, token: str, age_s: int) -> Mapping[str, str]:
        """The header that gives a browser the cookie."""
        return {"Set-Cookie": f"{self.name}={token}; Max-Age={age_s}{self._rest}"}

    def clear(self) -> Mapping[str, str]:
        return {"Set-Cookie": f"{self.name}=; Max-Age=0{self._rest}"}

    def read(self, headers: Headers) -> str | None:
        """The value of ours. Raises SessionEnded if there are two: one is somebody else's."""
        found = values_of(headers, self.name)
        if len(found) > 1 or any(len(value) > MAX_COOKIE for value in found):
            raise SessionEnded("not a cookie of ours")
        return found[0] if found and found[0] else None


def values_of(headers: Headers, name: str) -> list[str]:
    """All values of the cookies of this name: more than one if another host set one, too."""
    text = headers.get("Cookie")
    if text is None:
        return []
    pairs = (pair.strip().partition("=") for pair in text.replace(",", ";").split(";"))
    return [value.strip() for key, _, value in pairs if key.strip() == name]


def csrf_of(token: str) -> str:
    """What a page sends along with the cookie. It follows from the cookie, which no page can read,
    and says nothing about it."""
    digest = hashlib.blake2b(token.encode(), digest_size=24, person=b"livesale csrf").digest()
    return base64.urlsafe_b64encode(digest).decode()


def check_csrf(method: str, token: str, headers: Headers) -> None:
    """Raises Problem (csrf_failed) for a change that our own page did not ask for."""
    if method in _READS:
        return
    given = headers.get(CSRF_HEADER)
    if not given or not given.isascii() or not hmac.compare_digest(given, csrf_of(token)):
        raise Problem("csrf_failed")


def check_origin(headers: Headers) -> None:
    """A browser sends the cookie of a socket from any page of this site: only ours may open one.

    Raises Problem (csrf_failed).
    """
    origin = headers.get("Origin")
    if origin is None:
        return  # no browser
    page, here = _place_of(origin), _place_of(f"//{headers.get('Host')}")
    # Proxies seldom pass a port on: ports count only where both say one.
    other_port = page[1] and here[1] and page[1] != here[1]
    if page[0] is None or page[0] != here[0] or other_port:
        raise Problem("csrf_failed", "The page of another origin may not open this socket.")


def _place_of(url: str) -> tuple[str | None, int | None]:
    """Host and port, as far as they are said."""
    try:
        parts = urlsplit(url)
        return parts.hostname, parts.port
    except ValueError:
        return None, None
