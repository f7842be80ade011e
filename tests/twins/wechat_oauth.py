"""A twin of WeChat's OAuth for pages: `/connect/oauth2/authorize`, `/sns/oauth2/access_token`.

It also has the login of the mini-program, as the real server does, and knows which openids of the
two apps are one person. As the real one, it compares the order of the parameters, leads only to the
origin of the account, and gives a code that is good once, for five minutes, for this app.
"""

import json
import re
import secrets
from collections.abc import Callable
from urllib.parse import SplitResult, parse_qs, urlsplit

from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.twins.wechat_login import CODE_LIFETIME_S, WeChatLoginTwin

_ASKED = re.compile(
    r"appid=([^&]*)&redirect_uri=([^&]*)&response_type=code&scope=snsapi_base"
    r"&state=([a-zA-Z0-9]{1,128})"
).fullmatch


class WeChatOAuthTwin(WeChatLoginTwin):
    """`account` is appid and secret of the official account, `origin` where it may lead to;
    `person` is the openid of whoever opens the authorize page."""

    def __init__(
        self,
        app: tuple[str, str],
        account: tuple[str, str],
        origin: str,
        now_s: Callable[[], float],
    ) -> None:
        super().__init__(*app, now_s)
        self.account, self.origin = account, origin
        self.person = ""
        self.union_of: dict[str, str] = {}  # by openid, of either app
        self.snapshots: set[str] = set()  # openids of virtual users
        self.asked = 0  # how often a code of a page was to be exchanged
        self._page_codes: dict[str, tuple[str, float]] = {}
        self._used_page_codes: set[str] = set()
        server = web.Application()
        server.add_routes(
            [
                *self.routes,
                web.get("/connect/oauth2/authorize", self._authorize),
                web.get("/sns/oauth2/access_token", self._exchange),
            ]
        )
        self._server = TestServer(server)

    async def _authorize(self, request: web.Request) -> web.Response:
        """Leads the person back; or shows an error page, as the real one does."""
        query = request.raw_path.partition("?")[2]
        found = _ASKED(query)
        if found is None or found[1] != self.account[0]:
            return web.Response(text="the parameters are wrong")
        place = urlsplit(parse_qs(query)["redirect_uri"][0])
        if f"{place.scheme}://{place.netloc}" != self.origin:
            return web.Response(text="the redirect_uri is none of this account")
        code = f"0{secrets.token_hex(15)}"
        self._page_codes[code] = self.person, self._now_s() + CODE_LIFETIME_S
        behind = f"code={code}&state={found[3]}"
        back = SplitResult(
            place.scheme,
            place.netloc,
            place.path,
            "&".join(filter(None, (place.query, behind))),
            place.fragment,
        )
        return web.Response(status=302, headers={"Location": back.geturl()})

    def _answer(self, request: web.Request) -> bytes:
        found = json.loads(super()._answer(request))
        return self._with_union(found)

    async def _exchange(self, request: web.Request) -> web.Response:
        self.asked += 1
        return web.Response(body=self._exchanged(request), content_type="text/plain")

    def _exchanged(self, request: web.Request) -> bytes:
        query = request.query
        if (query.get("appid"), query.get("secret")) != self.account:
            return _error(40125 if query.get("appid") == self.account[0] else 40013)
        if query.get("grant_type") != "authorization_code":
            return _error(40002)
        code = query.get("code", "")
        if code in self._used_page_codes:
            return _error(40163)
        openid, until_s = self._page_codes.get(code, ("", 0.0))
        if until_s <= self._now_s():
            return _error(40029)
        if openid in self.errcode_of:
            return _error(self.errcode_of[openid])
        self._used_page_codes.add(code)
        found = {
            "access_token": secrets.token_urlsafe(60),
            "expires_in": 7200,
            "refresh_token": secrets.token_urlsafe(60),
            "openid": openid,
            "scope": "snsapi_base",
        }
        if openid in self.snapshots:
            found["is_snapshotuser"] = 1
        return self._with_union(found)

    def _with_union(self, found: dict[str, object]) -> bytes:
        union_id = self.union_of.get(str(found.get("openid")))
        return json.dumps(found | ({"unionid": union_id} if union_id else {})).encode()


def _error(errcode: int) -> bytes:
    return json.dumps({"errcode": errcode, "errmsg": "said so by the twin"}).encode()
