"""/v1/admin: what operators do. Every change goes to the audit log with the operator's name."""

from typing import Annotated

from msgspec import Meta, Struct

from livesale.http.reservations import ENGINE_PROBLEMS
from livesale.http.routes import Answer, Call, Handler, Nothing, Route
from livesale.http.services import Services
from livesale.identity.challenges import MAX_DIFFICULTY
from livesale.sales.books import DropBooks
from livesale.sales.campaigns import NewCampaign, NewSku
from livesale.sales.drops import Adjustment, NewDrop
from livesale.sales.texts import prose, whole
from livesale.store.catalogue import Campaign, Drop, Sku
from livesale.store.orders import Order
from stock.ids import Origin, origin_id
from stock.model import MAX_UNITS, HoldState


class NewAdjustment(Struct, frozen=True, forbid_unknown_fields=True):
    delta: Annotated[
        int,
        Meta(
            ge=-MAX_UNITS,
            le=MAX_UNITS,
            description="units; negative scraps; not 0",
            extra_json_schema={"not": {"const": 0}},
        ),
    ]
    reason: Annotated[str, prose(examples=["found"])]


class NewChallenge(Struct, frozen=True, forbid_unknown_fields=True):
    difficulty: Annotated[
        int,
        Meta(ge=0, le=MAX_DIFFICULTY, description="tries needed on average; 0 asks for none"),
    ]


class DropsQuery(Struct, frozen=True):
    after: Annotated[str, whole(r"^[0-9a-z]{0,15}$", description="`next` of a page")] = ""
    limit: Annotated[int, Meta(ge=1, le=100)] = 50


class DropPage(Struct, frozen=True):
    """`next` goes into `after` for the page behind this one; null at the end."""

    drops: list[Drop]
    next: str | None


class DropOrdersQuery(Struct, frozen=True):
    after: Annotated[
        str,
        whole(r"^([0-9a-z]{1,15}-[A-Za-z0-9_-]{16})?$", description="`next` of a page"),
    ] = ""
    limit: Annotated[int, Meta(ge=1, le=500)] = 100


class DropOrder(Struct, frozen=True, gc=False):
    order_id: str
    buyer_id: str
    status: HoldState
    quantity: int
    price_fen: int
    amount_fen: int
    expires_ms: int
    created_ms: int
    updated_ms: int


class DropOrderPage(Struct, frozen=True):
    """`next` goes into `after` for the page behind this one; null at the end."""

    orders: list[DropOrder]
    next: str | None


async def create_sku(services: Services, call: Call) -> Answer:
    return Answer(201, await services.campaigns.create_sku(call.body))


async def create_campaign(services: Services, call: Call) -> Answer:
    return Answer(201, await services.campaigns.create(call.body))


async def create_drop(services: Services, call: Call) -> Answer:
    return Answer(201, await services.drops.create(call.body))


async def list_drops(services: Services, call: Call) -> Answer:
    limit = call.query.limit
    found = await services.drops.list(call.query.after, limit)
    return Answer(200, DropPage(found, found[-1].drop_id if len(found) == limit else None))


async def show_terms(services: Services, call: Call) -> Answer:
    return Answer(200, await services.drops.find(call.path["drop_id"]))


async def open_drop(services: Services, call: Call) -> Answer:
    return Answer(200, await services.drops.open(call.path["drop_id"]))


async def pause_drop(services: Services, call: Call) -> Answer:
    return Answer(200, await services.drops.pause(call.path["drop_id"]))


async def resume_drop(services: Services, call: Call) -> Answer:
    return Answer(200, await services.drops.resume(call.path["drop_id"]))


async def close_drop(services: Services, call: Call) -> Answer:
    return Answer(200, await services.drops.close(call.path["drop_id"]))


async def adjust_drop(services: Services, call: Call) -> Answer:
    drop_id, body = call.path["drop_id"], call.body
    # Scoped to the operator: two who both say "1" mean two things.
    adjust_id = call.key and origin_id(drop_id, Origin.OPERATOR, call.operator, call.key)
    return Answer(200, await services.drops.adjust(drop_id, body.delta, body.reason, adjust_id))


async def set_challenge(services: Services, call: Call) -> Answer:
    drop_id = call.path["drop_id"]
    return Answer(200, await services.drops.set_challenge(drop_id, call.body.difficulty))


async def show_books(services: Services, call: Call) -> Answer:
    return Answer(200, await services.drops.books(call.path["drop_id"]))


async def list_drop_orders(services: Services, call: Call) -> Answer:
    found, cursor = await services.orders.page_of_drop(
        call.path["drop_id"], after=call.query.after, limit=call.query.limit
    )
    return Answer(200, DropOrderPage([_order(order) for order in found], cursor))


def _order(order: Order) -> DropOrder:
    return DropOrder(
        order.order_id,
        order.buyer_id,
        HoldState(order.state),
        order.quantity,
        order.price_fen,
        order.amount_fen,
        order.expires_ms,
        order.created_ms,
        order.updated_ms,
    )


def _verb(verb: str, handler: Handler, summary: str, *problems: str) -> Route:
    return Route(
        "POST",
        f"/v1/admin/drops/{{drop_id}}/{verb}",
        handler,
        summary,
        "admin",
        {200: Drop},
        ("unknown_drop", *problems, *ENGINE_PROBLEMS, "store_unavailable"),
        auth="operator",
        body=Nothing,
        default_body=Nothing(),
        changes=True,
        description="May be repeated: the second time changes nothing and answers the same.",
    )


def _create(
    plural: str, summary: str, handler: Handler, body: type[Struct], made: type[Struct]
) -> Route:
    return Route(
        "POST",
        f"/v1/admin/{plural}",
        handler,
        summary,
        "admin",
        {201: made},
        ("store_unavailable",),
        auth="operator",
        body=body,
        changes=True,
    )


ROUTES = [
    _create("skus", "Create a SKU", create_sku, NewSku, Sku),
    _create("campaigns", "Create a campaign", create_campaign, NewCampaign, Campaign),
    _create("drops", "Create a drop", create_drop, NewDrop, Drop),
    Route(
        "GET",
        "/v1/admin/drops",
        list_drops,
        "All drops, the newest first",
        "admin",
        {200: DropPage},
        ("store_unavailable",),
        auth="viewer",
        query=DropsQuery,
    ),
    Route(
        "GET",
        "/v1/admin/drops/{drop_id}",
        show_terms,
        "A drop as it was made, with its state",
        "admin",
        {200: Drop},
        ("unknown_drop", "store_unavailable"),
        auth="viewer",
    ),
    _verb("open", open_drop, "Put a drop on sale", "drop_closed", "terms_conflict"),
    _verb("pause", pause_drop, "Stop new reservations", "not_opened", "drop_closed"),
    _verb("resume", resume_drop, "Sell again after a pause", "not_opened", "drop_closed"),
    _verb("close", close_drop, "End the sale for ever", "not_opened", "drop_closed"),
    Route(
        "POST",
        "/v1/admin/drops/{drop_id}/adjust",
        adjust_drop,
        "Restock, or scrap what is available",
        "admin",
        {200: Adjustment},
        (
            "unknown_drop",
            "not_opened",
            "drop_closed",
            "too_few",
            "too_many",
            "idempotency_conflict",
            *ENGINE_PROBLEMS,
            "store_unavailable",
        ),
        auth="operator",
        body=NewAdjustment,
        keyed=True,
        changes=True,
        description="With an `Idempotency-Key`, a retry does not adjust twice.",
    ),
    Route(
        "POST",
        "/v1/admin/drops/{drop_id}/challenge",
        set_challenge,
        "Ask for a proof of work before a ticket, or no longer",
        "admin",
        {200: Drop},
        ("unknown_drop", "no_tickets", "store_unavailable"),
        auth="operator",
        body=NewChallenge,
        changes=True,
        description="At any time, also during the sale: every worker knows within a second.",
    ),
    Route(
        "GET",
        "/v1/admin/drops/{drop_id}/books",
        show_books,
        "Both sides of the books, compared",
        "admin",
        {200: DropBooks},
        (
            *("unknown_drop", "overloaded", "engine_refused"),
            *("books_broken", "log_too_new", "store_unavailable"),
        ),
        auth="viewer",
        description=(
            "`ok`: what SQL holds, with the `lag_entries` of the log that it does not hold yet, "
            "is exactly what Redis has."
        ),
    ),
    Route(
        "GET",
        "/v1/admin/drops/{drop_id}/orders",
        list_drop_orders,
        "Everybody's orders of a drop",
        "admin",
        {200: DropOrderPage},
        ("unknown_drop", "store_unavailable"),
        auth="viewer",
        query=DropOrdersQuery,
        description="By their ids. An order stands here a moment after its reservation.",
    ),
]
