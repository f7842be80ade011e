"""POST /v1/drops/{drop_id}/reservations, GET and DELETE /v1/reservations/{reservation_id}"""

import asyncio
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, Struct

from livesale.line.signing import TICKET_PATTERN
from livesale.line.tickets import Tickets
from livesale.parts import Parts
from livesale.sales.metrics import RESERVATIONS
from livesale.sales.reservations import Reservations, RoomId
from livesale.tasks.clock import Clock
from livesale.web.problems import CONTENT_TYPE, ENGINE_PROBLEMS, Problem
from livesale.web.routes import Answer, Call, Route
from stock.errors import StockError
from stock.ids import drop_of
from stock.model import MAX_QUANTITY, HoldState, Outcome, Reservation, ReserveCode


class NewReservation(Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    quantity: Annotated[int, Meta(ge=1, le=MAX_QUANTITY, description="units: all or none")] = 1
    ticket: (
        Annotated[
            str,
            Meta(pattern=TICKET_PATTERN, description="where the drop has `ticket_required`"),
        ]
        | None
    ) = None


class Reserved(Struct, frozen=True, gc=False):
    """A reservation as its attempt is answered. `remaining` is of the moment of the answer;
    `server_ms` too, by the clock of `/v1/time`: count down from it to `expires_ms`. `room_id` is
    as in ShownReservation."""

    reservation_id: str
    order_id: str
    drop_id: str
    status: HoldState
    quantity: int
    amount_fen: int
    expires_ms: int
    remaining: int
    server_ms: int
    room_id: RoomId = UNSET


class ShownReservation(Struct, frozen=True, gc=False):
    """`room_id` is the live room that the drop is sold in, null for none. It is missing where that
    cannot be told: SQL is away, and this drop was not asked for before."""

    reservation_id: str
    order_id: str
    drop_id: str
    status: HoldState
    quantity: int
    price_fen: int
    amount_fen: int
    expires_ms: int
    server_ms: int
    room_id: RoomId = UNSET


_REFUSALS = {
    ReserveCode.SOLD_OUT: "sold_out",
    ReserveCode.OVER_LIMIT: "over_limit",
    ReserveCode.BARRED: "barred",
    ReserveCode.NOT_OPEN: "not_open",
    ReserveCode.CLOSED: "closed",
    ReserveCode.PAUSED: "paused",
    ReserveCode.CONFLICT: "idempotency_conflict",
    ReserveCode.TICKET_REQUIRED: "ticket_required",
    ReserveCode.TICKET_INVALID: "ticket_invalid",
    ReserveCode.TICKET_USED: "ticket_used",
    ReserveCode.UNKNOWN_DROP: "unknown_drop",
    ReserveCode.UNREADABLE: "engine_refused",
}
_answers = RESERVATIONS.row()


async def reserve(parts: Parts, call: Call) -> Answer:
    drop_id, text = call.path["drop_id"], call.body.ticket
    ticket = parts[Tickets].read(text, drop_id, call.buyer_id) if text else None
    reservations = parts[Reservations]
    told: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
    try:
        attempt = reservations.enter(
            drop_id, call.buyer_id, call.body.quantity, call.key, ticket, told
        )
        outcome = await told
        if attempt is not None and reservations.is_unsettled(drop_id, outcome):
            outcome = await reservations.settle(drop_id, attempt, outcome)
    except StockError as fault:
        count_fault(fault)
        raise
    return conclude(drop_id, outcome, parts[Clock].now_ms, reservations.rooms)


def count_fault(fault: StockError) -> None:
    _answers[type(fault).__name__] += 1


def conclude(
    drop_id: str, outcome: Outcome, now_ms: Callable[[], int], rooms: Mapping[str, str | None]
) -> Answer:
    """Count what came of an attempt, and say it."""
    _answers[outcome.code] += 1
    claim = outcome.reservation
    if claim is None:
        if outcome.code is ReserveCode.NOT_OPEN:
            return _not_open(outcome.opens_ms, now_ms())
        return _refusal(_REFUSALS[outcome.code], outcome.remaining)
    rid = claim.rid
    rest = _without_ids(
        drop_id,
        claim.state,
        claim.quantity,
        claim.price_fen,
        claim.expires_ms,
        outcome.remaining,
        now_ms(),
        rooms.get(drop_id, UNSET),
    )
    document = f'{_RID}{rid}{_ORDER_ID}{rid}",{rest}'.encode()
    if outcome.code is ReserveCode.HELD:
        return Answer(201, document, rid=rid)
    return Answer(200, document)


_RID, _ORDER_ID = '{"reservation_id":"', '","order_id":"'


@lru_cache(maxsize=256)
def _without_ids(
    drop_id: str,
    state: HoldState,
    quantity: int,
    price_fen: int,
    expires_ms: int,
    remaining: int,
    server_ms: int,
    room_id: RoomId,
) -> str:
    """A Reserved as JSON, behind its two ids: the same for most reservations of a batch."""
    amount_fen = quantity * price_fen
    terms = (state, quantity, amount_fen, expires_ms, remaining, server_ms, room_id)
    whole = msgspec.json.encode(Reserved("", "", drop_id, *terms)).decode()
    return whole.removeprefix(f'{_RID}{_ORDER_ID}",')


async def show_reservation(parts: Parts, call: Call) -> Answer:
    found = await parts[Reservations].find(call.path["reservation_id"], call.buyer_id)
    return Answer(200, await _shown(parts, found))


async def release(parts: Parts, call: Call) -> Answer:
    found = await parts[Reservations].release(call.path["reservation_id"], call.buyer_id)
    return Answer(200, await _shown(parts, found))


@lru_cache(maxsize=1_024)
def _refusal(code: str, remaining: int) -> Answer:
    # An answer and no exception, made once: after the rush, this is what nearly everybody gets.
    problem = Problem(code, remaining=remaining) if code == "sold_out" else Problem(code)
    return Answer(problem.status, problem.encode(), CONTENT_TYPE)


def _not_open(opens_ms: int, server_ms: int) -> Answer:
    # Before the opening nearly everybody gets this one. Only the time is written anew.
    status, document = _not_open_without_time(opens_ms)
    return Answer(status, b'%s,"server_ms":%d}' % (document, server_ms), CONTENT_TYPE)


@lru_cache(maxsize=64)
def _not_open_without_time(opens_ms: int) -> tuple[int, bytes]:
    problem = Problem("not_open", opens_ms=opens_ms)
    return problem.status, problem.encode().removesuffix(b"}")


async def _shown(parts: Parts, found: Reservation) -> ShownReservation:
    drop_id = drop_of(found.rid)
    room_id = await parts[Reservations].room_of(drop_id)
    return ShownReservation(
        found.rid,
        found.rid,
        drop_id,
        found.state,
        found.quantity,
        found.price_fen,
        found.amount_fen,
        found.expires_ms,
        parts[Clock].now_ms(),
        room_id,
    )


RESERVE = Route(
    "POST",
    "/v1/drops/{drop_id}/reservations",
    reserve,
    "Reserve units of a drop",
    "reservations",
    {201: Reserved, 200: Reserved},
    (*_REFUSALS.values(), *ENGINE_PROBLEMS, "store_unavailable"),
    auth="buyer",
    body=NewReservation,
    default_body=NewReservation(),
    keyed=True,
    description=(
        "201: held until `expires_ms`. With an `Idempotency-Key` a retry answers 200 with the "
        "same reservation, whatever has become of it; after a 503, retry with the same key. "
        "An empty body asks for one unit. Where the drop has `ticket_required`, `ticket` "
        "is one from `POST …/tickets`; a retry may carry the same or another."
    ),
)

ROUTES = [
    RESERVE,
    Route(
        "GET",
        "/v1/reservations/{reservation_id}",
        show_reservation,
        "One's own reservation",
        "reservations",
        {200: ShownReservation},
        ("unknown_reservation", "overloaded", "engine_refused", "store_unavailable"),
        auth="buyer",
    ),
    Route(
        "DELETE",
        "/v1/reservations/{reservation_id}",
        release,
        "Give a hold back",
        "reservations",
        {200: ShownReservation},
        ("unknown_reservation", "already_sold", *ENGINE_PROBLEMS, "store_unavailable"),
        auth="buyer",
        description="May be repeated. A hold that has expired stays expired.",
    ),
]
