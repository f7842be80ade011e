"""What the settings add to every answer: HSTS, and CORS for the web pages that may ask."""

from collections.abc import Mapping

from livesale.settings import HttpSettings
from livesale.web.headers import Headers

# What a page may send and read besides the harmless few that it always may.
_ASK = "Authorization, Content-Type, Idempotency-Key, X-Request-Id"
_READ = "Retry-After, WWW-Authenticate, X-Request-Id"
_REMEMBER_S = 600


class Site:
    """One per worker. With neither setting it adds nothing and costs nothing."""

    def __init__(self, http: HttpSettings) -> None:
        self._always = (
            f"Strict-Transport-Security: max-age={http.hsts_s}\r\n" if http.hsts_s else ""
        )
        self._origins = frozenset(http.cors_origins)
        self.adds = bool(self._always or self._origins)

    def headers(self, asked: Headers) -> str:
        """Header lines for an answer to a request with these headers."""
        if not self._origins:
            return self._always
        origin = asked.get("Origin")
        if origin not in self._origins:
            return f"{self._always}Vary: Origin\r\n"
        # Tokens travel in a header that the page sets, never in cookies: no credentials.
        return (
            f"{self._always}Vary: Origin\r\nAccess-Control-Allow-Origin: {origin}\r\n"
            f"Access-Control-Expose-Headers: {_READ}\r\n"
        )

    def preflight(self, asked: Mapping[str, str], allow: str) -> dict[str, str] | None:
        """What a browser wants to know before it asks; None when it has no business here."""
        if asked.get("Origin") not in self._origins or "Access-Control-Request-Method" not in asked:
            return None
        return {
            "Allow": allow,
            "Access-Control-Allow-Methods": allow,
            "Access-Control-Allow-Headers": _ASK,
            "Access-Control-Max-Age": str(_REMEMBER_S),
        }
