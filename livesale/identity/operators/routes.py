"""/v1/operator: a person logs in and out, and keeps the own account."""

from typing import Annotated

from msgspec import Struct

from livesale.access.actions import Action
from livesale.access.roles import Role
from livesale.database.engine import now_ms
from livesale.identity.operators.login import Opened, OperatorLogin
from livesale.identity.operators.metrics import LOGINS
from livesale.identity.operators.own import (
    Account,
    Code,
    Factor,
    FactorCode,
    NewFactor,
    NewPassword,
    Password,
)
from livesale.identity.operators.service import OperatorName
from livesale.identity.operators.sessions import Device, SessionBook
from livesale.identity.operators.views import SessionView
from livesale.parts import Parts
from livesale.tokens.errors import LoginRefused
from livesale.tokens.signing import Operator
from livesale.validation.refusals import InvalidField, LoginLocked, OperatorRefused
from livesale.validation.texts import whole
from livesale.web.headers import Headers, Joined
from livesale.web.routes import (
    Answer,
    Call,
    Nothing,
    PathParameter,
    Route,
    declare_path_parameters,
)
from livesale.web.sessions import Cookies, csrf_of
from stock.ids import DROP_ID_PATTERN

_PROVES = ("not_a_person", "login_refused", "login_locked", "slow_down", "store_unavailable")


class Login(Struct, frozen=True, forbid_unknown_fields=True):
    """Either `link`, or `name`, `password` and `code`."""

    link: Annotated[str, whole(r"^[A-Za-z0-9_-]{43}$")] | None = None
    name: OperatorName | None = None
    password: Password | None = None
    code: Code | None = None


class OwnSession(Struct, frozen=True):
    """Who you are and what you may do. A program with a token has no session: `session_id`, `csrf`
    and `idle_s` are null. Send `csrf` as `X-CSRF-Token` with each call that changes something."""

    name: str
    roles: list[Role]
    store_id: str | None
    actions: list[Action]
    session_id: str | None
    csrf: str | None
    expires_ms: int
    idle_s: int | None


class SessionList(Struct, frozen=True):
    sessions: list[SessionView]


async def log_in(parts: Parts, call: Call) -> Answer:
    body: Login = call.body
    device = Device(_headers(call).get("User-Agent") or "", call.source)
    try:
        opened = await _open(parts[OperatorLogin], body, device, call.request_id)
    except (LoginRefused, LoginLocked) as fault:
        LOGINS.labels(fault.code).inc()
        raise
    LOGINS.labels("opened").inc()
    row, made = opened.operator, opened.session
    operator = Operator(row.name, row.role_set, made.expires_ms, made.session_id, row.store_id)
    age_s = max(1, (made.expires_ms - now_ms()) // 1000)
    cookie = parts[Cookies].set(opened.token, age_s)
    return Answer(201, _own(parts, operator, opened.token), headers=cookie)


async def _open(login: OperatorLogin, body: Login, device: Device, request_id: str) -> Opened:
    """Log in by what the body has. Raises InvalidField if it has both ways, or half of one."""
    if body.link is not None:
        if (body.name, body.password, body.code) != (None, None, None):
            raise InvalidField("link", "Send a link alone, or a name with password and code.")
        return await login.by_link(body.link, device, request_id)
    if body.name is None or body.password is None or body.code is None:
        field = next(name for name in ("name", "password", "code") if getattr(body, name) is None)
        raise InvalidField(field, "Send a name with password and code, or a link.")
    return await login.by_password(body.name, body.password, body.code, device, request_id)


async def show_own_session(parts: Parts, call: Call) -> Answer:
    operator = _operator(call)
    token = parts[Cookies].read(_headers(call)) if operator.session_id else None
    return Answer(200, _own(parts, operator, token))


async def log_out(parts: Parts, call: Call) -> Answer:
    operator = _person(call)
    await parts[SessionBook].end(operator.name, operator.session_id)
    return Answer(200, Nothing(), headers=parts[Cookies].clear())


async def list_own_sessions(parts: Parts, call: Call) -> Answer:
    return Answer(200, SessionList(await parts[SessionBook].list_open(_person(call).name)))


async def end_own_session(parts: Parts, call: Call) -> Answer:
    await parts[SessionBook].end(_person(call).name, call.path["session_id"])
    return Answer(200, Nothing())


async def set_own_password(parts: Parts, call: Call) -> Answer:
    await parts[Account].set_password(_person(call), call.body)
    return Answer(200, Nothing())


async def begin_own_factor(parts: Parts, call: Call) -> Answer:
    return Answer(200, await parts[Account].begin_factor(_person(call), call.body))


async def confirm_own_factor(parts: Parts, call: Call) -> Answer:
    await parts[Account].confirm_factor(_person(call), call.body)
    return Answer(200, Nothing())


def _headers(call: Call) -> Headers:
    assert call.headers is not None  # noqa: S101  the route reads them
    return Joined(call.headers)


def _operator(call: Call) -> Operator:
    assert isinstance(call.caller, Operator)  # noqa: S101  the route is for operators
    return call.caller


def _person(call: Call) -> Operator:
    operator = _operator(call)
    if not operator.session_id:
        raise OperatorRefused("not_a_person", "A program with a token has no account.")
    return operator


def _own(parts: Parts, operator: Operator, token: str | None) -> OwnSession:
    return OwnSession(
        name=operator.name,
        roles=sorted(operator.roles, key=list(Role).index),
        store_id=operator.store_id,
        actions=[action for action in Action if operator.may(action)],
        session_id=operator.session_id or None,
        csrf=csrf_of(token) if token else None,
        expires_ms=operator.expires_ms,
        idle_s=parts[SessionBook].idle_ms // 1000 if token else None,
    )


declare_path_parameters(
    session_id=PathParameter(DROP_ID_PATTERN, "unknown_session", "A session's id"),
)

_SESSION = "/v1/operator/session"
_FACTOR = "/v1/operator/second-factor"

ROUTES = [
    Route(
        "POST",
        _SESSION,
        log_in,
        "Log in as an operator, by a one-time link or by password and code",
        "operator",
        {201: OwnSession},
        ("login_refused", "login_locked", "slow_down", "store_unavailable"),
        body=Login,
        reads_headers=True,
        description=(
            "The answer sets the cookie of the session. A link works once, a code works once. "
            "After ten wrong passwords of a name in 15 minutes, only a link logs in."
        ),
    ),
    Route(
        "GET",
        _SESSION,
        show_own_session,
        "Who you are, and what you may do",
        "operator",
        {200: OwnSession},
        ("store_unavailable",),
        auth="operator",
        action=Action.ACCOUNT_OWN,
        reads_headers=True,
        description="`actions` are those of `x-action`, as your roles are now.",
    ),
    Route(
        "DELETE",
        _SESSION,
        log_out,
        "Log out",
        "operator",
        {200: Nothing},
        ("not_a_person", "unknown_session", "store_unavailable"),
        auth="operator",
        action=Action.ACCOUNT_OWN,
        changes=True,
    ),
    Route(
        "GET",
        "/v1/operator/sessions",
        list_own_sessions,
        "Your open sessions, the newest first",
        "operator",
        {200: SessionList},
        ("not_a_person", "store_unavailable"),
        auth="operator",
        action=Action.ACCOUNT_OWN,
    ),
    Route(
        "DELETE",
        "/v1/operator/sessions/{session_id}",
        end_own_session,
        "End one of your sessions",
        "operator",
        {200: Nothing},
        ("not_a_person", "unknown_session", "store_unavailable"),
        auth="operator",
        action=Action.ACCOUNT_OWN,
        changes=True,
        description="May be repeated.",
    ),
    Route(
        "PUT",
        "/v1/operator/password",
        set_own_password,
        "Set your password",
        "operator",
        {200: Nothing},
        _PROVES,
        auth="operator",
        action=Action.ACCOUNT_OWN,
        body=NewPassword,
        changes=True,
        hides=("password", "current"),
        description="Your other sessions end. It logs in together with a second factor only.",
    ),
    Route(
        "POST",
        _FACTOR,
        begin_own_factor,
        "Begin with a new second factor",
        "operator",
        {200: Factor},
        _PROVES,
        auth="operator",
        action=Action.ACCOUNT_OWN,
        body=NewFactor,
        default_body=NewFactor(),
        changes=True,
        hides=("current",),
        description="The old one counts until you confirm the new one with a code.",
    ),
    Route(
        "PUT",
        _FACTOR,
        confirm_own_factor,
        "Confirm the new second factor with a code of it",
        "operator",
        {200: Nothing},
        ("no_new_factor", *_PROVES),
        auth="operator",
        action=Action.ACCOUNT_OWN,
        body=FactorCode,
        changes=True,
        hides=("code",),
    ),
]
