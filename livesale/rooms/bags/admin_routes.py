"""GET /v1/admin/bags: lucky bags of all rooms, for operators"""

from typing import Annotated

from msgspec import Struct

from livesale.access.actions import Action
from livesale.parts import Parts
from livesale.rooms.bags.events import BagView
from livesale.rooms.bags.service import Bags
from livesale.rooms.bags.store import BagState
from livesale.validation.lists import AfterId, Limit, Words, several, split
from livesale.validation.texts import whole
from livesale.web.routes import Answer, Call, Route


class BagFilterQuery(Struct, frozen=True):
    """All filters that are given must fit."""

    q: Words = ""
    room_id: Annotated[str, whole(r"^(r[0-9a-z]{1,14})?$")] = ""
    states: Annotated[
        str, whole(several(list(BagState)), description="preparing, open and so on")
    ] = ""
    after: AfterId = ""
    limit: Limit = 50


class AdminBag(Struct, frozen=True):
    """`state`: preparing, open, drawn (prizes are being given), settled, or void."""

    room_id: str
    state: BagState
    created_ms: int
    bag: BagView


class AdminBags(Struct, frozen=True):
    """Send `next` as `after` to get the next page; null at the end."""

    bags: list[AdminBag]
    next: str | None


async def find_bags(parts: Parts, call: Call) -> Answer:
    query = call.query
    found = await parts[Bags].find_all(
        room_id=query.room_id,
        states=split(query.states),
        words=query.q,
        before=query.after,
        limit=query.limit,
    )
    shown = [
        AdminBag(bag.room_id, BagState(bag.state), bag.created_ms, view) for bag, view in found
    ]
    is_full = len(shown) == query.limit
    return Answer(200, AdminBags(shown, shown[-1].bag.bag_id if is_full else None))


ROUTES = [
    Route(
        "GET",
        "/v1/admin/bags",
        find_bags,
        "Lucky bags of all rooms, the newest first",
        "admin",
        {200: AdminBags},
        ("store_unavailable",),
        auth="operator",
        action=Action.ROOM_READ,
        query=BagFilterQuery,
    ),
]
