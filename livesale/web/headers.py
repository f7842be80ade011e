"""What is asked of the headers of a request: aiohttp's, or those of a plain head."""

from typing import Protocol

from multidict import MultiMapping


class Headers(Protocol):
    """One value a name, spelled as in livesale.web.heads; a plain head has them as a dict."""

    def get(self, name: str, /) -> str | None: ...


class Joined:
    """aiohttp's headers; one that is there more than once is its values with commas between.

    So says RFC 9110, section 5.3. Where one value is needed that is none that fits.
    """

    __slots__ = ("_headers",)

    def __init__(self, headers: "MultiMapping[str]") -> None:
        self._headers = headers

    def get(self, name: str) -> str | None:
        given = self._headers.getall(name, ())
        if not given:
            return None
        return given[0] if len(given) == 1 else ", ".join(given)
