"""/v1/admin/operators: who the operators are."""

from typing import Annotated

from msgspec import Meta, Struct

from livesale.access.actions import Action
from livesale.identity.operators.routes import SessionList
from livesale.identity.operators.service import (
    NAME_PATTERN,
    NewOperator,
    OperatorEdit,
    OperatorLink,
    OperatorPage,
    Operators,
)
from livesale.identity.operators.sessions import SessionBook
from livesale.identity.operators.store import OperatorState
from livesale.identity.operators.views import OperatorView
from livesale.parts import Parts
from livesale.validation.texts import whole
from livesale.web.routes import (
    Answer,
    Call,
    Handler,
    Nothing,
    PathParameter,
    Route,
    declare_path_parameters,
)


class OperatorsQuery(Struct, frozen=True):
    after: Annotated[str, whole(r"^[a-z0-9_-]{0,40}$", description="`next` of a page")] = ""
    state: OperatorState | None = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 50


async def add_operator(parts: Parts, call: Call) -> Answer:
    return Answer(201, await parts[Operators].add(call.body))


async def list_operators(parts: Parts, call: Call) -> Answer:
    query: OperatorsQuery = call.query or OperatorsQuery()
    page = await parts[Operators].page(query.after, query.limit, query.state or "")
    return Answer(200, page)


async def show_operator(parts: Parts, call: Call) -> Answer:
    return Answer(200, await parts[Operators].find(call.path["name"]))


async def change_operator(parts: Parts, call: Call) -> Answer:
    return Answer(200, await parts[Operators].change(call.path["name"], call.body))


async def revoke_operator(parts: Parts, call: Call) -> Answer:
    return Answer(200, await parts[Operators].revoke(call.path["name"]))


async def restore_operator(parts: Parts, call: Call) -> Answer:
    return Answer(200, await parts[Operators].restore(call.path["name"]))


async def make_operator_link(parts: Parts, call: Call) -> Answer:
    return Answer(201, await parts[Operators].make_link(call.path["name"]))


async def list_operator_sessions(parts: Parts, call: Call) -> Answer:
    name = (await parts[Operators].find(call.path["name"])).name
    return Answer(200, SessionList(await parts[SessionBook].list_open(name)))


async def end_operator_sessions(parts: Parts, call: Call) -> Answer:
    name = (await parts[Operators].find(call.path["name"])).name
    await parts[SessionBook].end_all(name)
    return Answer(200, Nothing())


_ALL = "/v1/admin/operators"
_ONE = f"{_ALL}/{{name}}"

declare_path_parameters(
    name=PathParameter(NAME_PATTERN, "unknown_operator", "An operator's name"),
)


def _step(
    verb: str, handler: Handler, summary: str, *problems: str, status: int, kind: type[Struct]
) -> Route:
    return Route(
        "POST",
        f"{_ONE}/{verb}",
        handler,
        summary,
        "operator",
        {status: kind},
        ("unknown_operator", *problems, "store_unavailable"),
        auth="operator",
        action=Action.OPERATOR_MANAGE,
        body=Nothing,
        default_body=Nothing(),
        changes=True,
    )


ROUTES = [
    Route(
        "POST",
        _ALL,
        add_operator,
        "Add an operator",
        "operator",
        {201: OperatorView},
        ("operator_exists", "store_unavailable"),
        auth="operator",
        action=Action.OPERATOR_MANAGE,
        body=NewOperator,
        changes=True,
        description="Then make a link: with it, the operator logs in and sets a password.",
    ),
    Route(
        "GET",
        _ALL,
        list_operators,
        "The operators, by name",
        "operator",
        {200: OperatorPage},
        ("store_unavailable",),
        auth="operator",
        action=Action.OPERATOR_READ,
        query=OperatorsQuery,
    ),
    Route(
        "GET",
        _ONE,
        show_operator,
        "An operator",
        "operator",
        {200: OperatorView},
        ("unknown_operator", "store_unavailable"),
        auth="operator",
        action=Action.OPERATOR_READ,
    ),
    Route(
        "PATCH",
        _ONE,
        change_operator,
        "Give an operator other roles",
        "operator",
        {200: OperatorView},
        ("unknown_operator", "last_owner", "store_unavailable"),
        auth="operator",
        action=Action.OPERATOR_MANAGE,
        body=OperatorEdit,
        changes=True,
        description="Open sessions have them within a second.",
    ),
    _step(
        "revoke",
        revoke_operator,
        "End all sessions of an operator, who cannot log in any more",
        "last_owner",
        status=200,
        kind=OperatorView,
    ),
    _step(
        "restore",
        restore_operator,
        "Let a revoked operator in again, by a link",
        status=200,
        kind=OperatorView,
    ),
    _step(
        "link",
        make_operator_link,
        "Make a link that logs an operator in, once",
        "operator_revoked",
        status=201,
        kind=OperatorLink,
    ),
    Route(
        "GET",
        f"{_ONE}/sessions",
        list_operator_sessions,
        "The open sessions of an operator, the newest first",
        "operator",
        {200: SessionList},
        ("unknown_operator", "store_unavailable"),
        auth="operator",
        action=Action.OPERATOR_READ,
    ),
    Route(
        "DELETE",
        f"{_ONE}/sessions",
        end_operator_sessions,
        "End all sessions of an operator",
        "operator",
        {200: Nothing},
        ("unknown_operator", "store_unavailable"),
        auth="operator",
        action=Action.OPERATOR_MANAGE,
        changes=True,
        description="May be repeated. Within a second no worker takes them any more.",
    ),
]
