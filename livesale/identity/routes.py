"""POST /v1/sessions, GET /v1/wechat/login"""

from typing import Annotated, Literal

from msgspec import Struct

from livesale.identity.login import WeChatPageLogin
from livesale.identity.page_login import PAGE_PATTERN, STATE_PATTERN, PageLogin
from livesale.identity.sessions import Session, Sessions
from livesale.parts import Parts
from livesale.validation.texts import whole
from livesale.web.headers import Joined
from livesale.web.problems import Problem
from livesale.web.routes import Answer, Call, Route

TEXT = "text/plain"
HOME = "/shop/"


class NewSession(Struct, frozen=True, forbid_unknown_fields=True):
    provider: Literal["dev", "wechat", "wechat_h5"]
    code: Annotated[
        str,
        whole(
            r"^[^\x00-\x1f\x7f]+$",
            min_length=1,
            max_length=128,
            description=(
                "wechat: what wx.login() gave; wechat_h5: what came back behind the address of the "
                "page; both are good once, for five minutes; dev: a name"
            ),
        ),
    ]
    state: Annotated[
        str,
        whole(STATE_PATTERN, description="wechat_h5 only: what came back beside the code"),
    ] = ""


class PageLoginQuery(Struct, frozen=True):
    to: Annotated[
        str,
        whole(
            PAGE_PATTERN,
            max_length=512,
            description="the page to come back to: a path of this origin, with its query; /shop/",
        ),
    ] = ""


async def open_session(parts: Parts, call: Call) -> Answer:
    new: NewSession = call.body
    by_page = new.provider == WeChatPageLogin.name
    if new.state and not by_page:
        detail = f"{new.provider} has no state."
        raise Problem("invalid_field", detail, field="state", where="body")
    if by_page and parts[PageLogin].is_on:
        if not new.state:
            raise Problem("missing_field", field="state", where="body")
        assert call.headers is not None  # noqa: S101  the route reads them
        parts[PageLogin].check(new.state, Joined(call.headers))
    opened = await parts[Sessions].open(new.provider, new.code)
    return Answer(201, opened, headers=parts[PageLogin].forget() if by_page else None)


async def begin_page_login(parts: Parts, call: Call) -> Answer:
    return Answer(303, b"", TEXT, parts[PageLogin].begin(call.query.to or HOME))


ROUTES = [
    Route(
        "POST",
        "/v1/sessions",
        open_session,
        "Log in",
        "sessions",
        {201: Session},
        (
            *("invalid_code", "provider_off", "login_state", "login_snapshot"),
            *("login_blocked", "login_too_often", "login_unavailable", "store_unavailable"),
        ),
        body=NewSession,
        reads_headers=True,
        description=(
            "The token goes into `Authorization: Bearer …` of every call of this buyer. Payments "
            "go by the app of the login: that of `wechat` is the mini-program, that of "
            "`wechat_h5` the official account."
        ),
    ),
    Route(
        "GET",
        "/v1/wechat/login",
        begin_page_login,
        "Log in a page in WeChat's browser",
        "sessions",
        {303: bytes},
        ("provider_off",),
        query=PageLoginQuery,
        content_type=TEXT,
        description=(
            "Open it as a page. It sets a cookie and leads to WeChat, which leads back to `to` "
            "with `code` and `state`: send both to `POST /v1/sessions` as `wechat_h5`."
        ),
    ),
]
