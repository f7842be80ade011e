"""Logging pages in WeChat's browser in: the way to WeChat, and what must come back with the code.

    page → GET /v1/wechat/login?to=/shop/… → WeChat → /shop/…?code&state → POST /v1/sessions

The way leads back to our own origin only. The `state` belongs to a cookie of this browser, so
nobody can hand their own code to somebody else's browser: such a victim would shop, and leave an
address, in the account of a stranger.
"""

import hmac
import secrets
import time
from collections.abc import Callable, Mapping
from urllib.parse import quote

from livesale.settings import Settings
from livesale.tokens.errors import LoginStateInvalid, ProviderOff
from livesale.tokens.keyring import Keyring
from livesale.web.headers import Headers
from livesale.web.sessions import values_of

LIFE_S = 600
STATE_PATTERN = r"^([0-9a-f]{48})?$"  # WeChat allows letters and digits only
# A path of ours: neither `//host` nor `/\host`, and no call of the API.
PAGE_PATTERN = r"^(/(?![/\\])(?!v1/)[!-\[\]-~]*)?$"

_TIME_DIGITS = 8
_MAC_DIGITS = 40


class PageLogin:
    """One per worker; without state. `now_s` is the wall clock, in seconds."""

    def __init__(
        self, settings: Settings, keyring: Keyring, now_s: Callable[[], float] = time.time
    ) -> None:
        account = settings.official_account
        self._appid, self._origin = account.appid, account.origin
        self._authorize_url = account.authorize_url
        self._keys = keyring.derived("login of pages")
        self._now_s = now_s
        secure = settings.env != "dev"
        self._cookie = "__Host-livesale-login" if secure else "livesale-login"
        # Lax: some versions of WeChat's browser do not send a strict one on the way back.
        self._rest = f"; Path=/; HttpOnly; SameSite=Lax{'; Secure' if secure else ''}"

    @property
    def is_on(self) -> bool:
        return bool(self._appid)

    def begin(self, to: str) -> Mapping[str, str]:
        """The headers of the redirect to WeChat. `to` fits PAGE_PATTERN. Raises ProviderOff."""
        if not self.is_on:
            raise ProviderOff("login by wechat_h5 is not switched on here")
        nonce = secrets.token_urlsafe(24)
        ends = f"{int(self._now_s()) + LIFE_S:0{_TIME_DIGITS}x}"
        state = ends + self._macs(nonce, ends)[0]
        # WeChat compares the order of the parameters, too.
        url = (
            f"{self._authorize_url}?appid={self._appid}"
            f"&redirect_uri={quote(f'{self._origin}{to}', safe='')}"
            f"&response_type=code&scope=snsapi_base&state={state}#wechat_redirect"
        )
        cookie = f"{self._cookie}={nonce}; Max-Age={LIFE_S}{self._rest}"
        return {"Location": url, "Set-Cookie": cookie}

    def check(self, state: str, headers: Headers) -> None:
        """Raises LoginStateInvalid unless this browser began this login a short time ago."""
        nonces = values_of(headers, self._cookie)
        if len(nonces) != 1 or len(state) != _TIME_DIGITS + _MAC_DIGITS:
            raise LoginStateInvalid("this browser began no login")
        ends, mac = state[:_TIME_DIGITS], state[_TIME_DIGITS:]
        holds = [hmac.compare_digest(mac, own) for own in self._macs(nonces[0], ends)]
        if not any(holds):
            raise LoginStateInvalid("another browser began this login")
        if int(ends, 16) <= self._now_s():
            raise LoginStateInvalid("this login began too long ago")

    def forget(self) -> Mapping[str, str]:
        """The header that takes the cookie back: a state is good once."""
        return {"Set-Cookie": f"{self._cookie}=; Max-Age=0{self._rest}"}

    def _macs(self, nonce: str, ends: str) -> list[str]:
        """Of each key, that of new ones first."""
        text = f"{nonce}|{ends}".encode("utf-8", "surrogateescape")
        return [hmac.digest(key, text, "sha256").hex()[:_MAC_DIGITS] for key in self._keys]
