"""POST /v1/sessions"""

from typing import Annotated, Literal

from msgspec import Struct

from livesale.identity.sessions import Session, Sessions
from livesale.parts import Parts
from livesale.validation.texts import whole
from livesale.web.routes import Answer, Call, Route


class NewSession(Struct, frozen=True, forbid_unknown_fields=True):
    provider: Literal["dev", "wechat"]
    code: Annotated[
        str,
        whole(
            r"^[^\x00-\x1f\x7f]+$",
            min_length=1,
            max_length=128,
            description="wechat: what wx.login() gave, good once, for five minutes; dev: a name",
        ),
    ]


async def open_session(parts: Parts, call: Call) -> Answer:
    return Answer(201, await parts[Sessions].open(call.body.provider, call.body.code))


ROUTES = [
    Route(
        "POST",
        "/v1/sessions",
        open_session,
        "Log in",
        "sessions",
        {201: Session},
        (
            "invalid_code",
            "provider_off",
            "login_blocked",
            "login_too_often",
            "login_unavailable",
            "store_unavailable",
        ),
        body=NewSession,
        description="The token goes into `Authorization: Bearer …` of every call of this buyer.",
    )
]
