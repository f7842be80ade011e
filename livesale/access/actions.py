"""Roles × actions: the one table that says who may do what.

Each route for operators names its action (`livesale.web.routes.Route.action`), and the service asks
this table at each request. `docs/operators.md` prints it, and a test walks each cell over HTTP.
"""

from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct

from livesale.access.roles import Role


class Action(StrEnum):
    """What a route does, for the question who may do it."""

    GOODS_READ = "goods.read"
    GOODS_CHANGE = "goods.change"
    STOCK_MOVE = "stock.move"
    CAMPAIGN_CHANGE = "campaign.change"
    DROP_READ = "drop.read"
    DROP_CHANGE = "drop.change"
    DROP_CLOSE = "drop.close"
    DROP_ADJUST = "drop.adjust"
    BOOKS_READ = "books.read"
    ORDER_READ = "order.read"
    ORDER_SHIP = "order.ship"
    CASE_DECIDE = "case.decide"
    PICKUP_READ = "pickup.read"
    PICKUP_CHANGE = "pickup.change"
    PICKUP_HAND_OUT = "pickup.hand_out"
    REFUND_READ = "refund.read"
    REFUND_ORDER = "refund.order"
    ROOM_CREATE = "room.create"
    ROOM_READ = "room.read"
    ROOM_RUN = "room.run"
    ROOM_DROP = "room.drop"
    ROOM_MODERATE = "room.moderate"
    ROOM_BAN = "room.ban"
    PERSON_READ = "person.read"
    COMMENT_READ = "comment.read"
    ALERT_READ = "alert.read"
    COCKPIT_READ = "cockpit.read"
    PERSON_RESET = "person.reset"
    CHECK_READ = "check.read"
    CHECK_START = "check.start"
    LOG_READ = "log.read"
    OPERATOR_READ = "operator.read"
    OPERATOR_MANAGE = "operator.manage"
    ACCOUNT_OWN = "account.own"


class Permission(Struct, frozen=True):
    """Who may do an action. The owner may do each one."""

    about: str
    roles: frozenset[Role]


def _row(about: str, *roles: Role) -> Permission:
    return Permission(about, frozenset({Role.OWNER, *roles}))


_SALE, _FINANCE, _ROOM, _VIEWER = Role.SALE, Role.FINANCE, Role.ROOM, Role.VIEWER
_CLERK = Role.CLERK

PERMISSIONS: Mapping[Action, Permission] = {
    Action.GOODS_READ: _row("read goods and their stock", _SALE, _FINANCE, _ROOM, _VIEWER),
    Action.GOODS_CHANGE: _row("create and change goods", _SALE),
    Action.STOCK_MOVE: _row("receive and scrap units of a SKU", _SALE),
    Action.CAMPAIGN_CHANGE: _row("create, change and delete campaigns", _SALE),
    Action.DROP_READ: _row("read campaigns and drops, drafts too", _SALE, _FINANCE, _ROOM, _VIEWER),
    Action.DROP_CHANGE: _row("create, change, open, pause and resume drops, delete drafts", _SALE),
    Action.DROP_CLOSE: _row("end the sale of a drop", _SALE),
    Action.DROP_ADJUST: _row("restock a drop, or scrap units", _SALE),
    Action.BOOKS_READ: _row("read the books of a drop", _SALE, _FINANCE, _VIEWER),
    Action.ORDER_READ: _row("read orders", _SALE, _FINANCE, _VIEWER),
    Action.ORDER_SHIP: _row("pack and ship orders, and read where they go", _SALE),
    Action.CASE_DECIDE: _row("answer after-sale cases, take goods in", _SALE, _FINANCE),
    Action.PICKUP_READ: _row("read all pickup stores", _SALE, _FINANCE, _VIEWER),
    Action.PICKUP_CHANGE: _row("create and change pickup stores", _SALE),
    Action.PICKUP_HAND_OUT: _row("hand out orders in the own store", _CLERK),
    Action.REFUND_READ: _row("read refunds", _SALE, _FINANCE, _VIEWER),
    Action.REFUND_ORDER: _row("order a refund", _FINANCE),
    Action.ROOM_CREATE: _row("create rooms", _SALE, _ROOM),
    Action.ROOM_READ: _row(
        "read what those who run a room see: numbers, hidden items, mutes and bans",
        *(_SALE, _FINANCE, _ROOM, _VIEWER),
    ),
    Action.ROOM_RUN: _row("do what the host of a room may do", _ROOM),
    Action.ROOM_DROP: _row("give drops to rooms", _SALE, _ROOM),
    Action.ROOM_MODERATE: _row("delete comments, mute and ban people of a room", _ROOM),
    Action.ROOM_BAN: _row("take a room off the air, and lift that", _ROOM),
    Action.PERSON_READ: _row("learn which buyer a person of a room is", _ROOM, _VIEWER),
    Action.COMMENT_READ: _row("read what was said in rooms, and by whom", _ROOM, _VIEWER),
    Action.ALERT_READ: _row("read alerts", _SALE, _FINANCE, _ROOM, _VIEWER),
    Action.COCKPIT_READ: _row(
        "watch what the service does now: drops, requests, stores, rooms",
        *(_SALE, _FINANCE, _ROOM, _VIEWER),
    ),
    Action.PERSON_RESET: _row("take a buyer's nickname and avatar away", _ROOM),
    Action.CHECK_READ: _row("follow the doctor and the audit", _SALE, _FINANCE, _VIEWER),
    Action.CHECK_START: _row("start the doctor and the audit", _SALE),
    Action.LOG_READ: _row("read what operators did", _VIEWER),
    Action.OPERATOR_READ: _row("read who the operators are, and their sessions", _VIEWER),
    Action.OPERATOR_MANAGE: _row("add, change and revoke operators, and let them in"),
    Action.ACCOUNT_OWN: _row("log out, end own sessions, set the own password", *Role),
}


def may(roles: frozenset[Role], action: Action) -> bool:
    """Whether one of the roles may do it."""
    return not roles.isdisjoint(PERMISSIONS[action].roles)


def roles_for(action: Action) -> str:
    """The roles that may do it, as words: for people whom the service refuses."""
    names = [role.value for role in Role if role in PERMISSIONS[action].roles]
    return " or ".join(filter(None, (", ".join(names[:-1]), names[-1])))
