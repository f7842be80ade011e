"""Results of sales. Everything comes from tables that only the writer writes, so sums are exact for
the part of the log that is in SQL."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta, Struct
from sqlalchemy.exc import SQLAlchemyError

from livesale.catalogue.store import find_campaign
from livesale.database.engine import snapshot
from livesale.database.errors import StoreUnavailable
from livesale.database.session import session
from livesale.errors import LivesaleError
from livesale.resources import Deployment
from livesale.results import store
from livesale.results.store import DropRow, Moved
from livesale.rooms.numbers.stats import Stats
from livesale.rooms.numbers.store import buyers_of
from livesale.tasks.clock import Clock
from livesale.tasks.ttl_cache import TtlCache
from livesale.validation.refusals import InvalidField, Unknown

FRESH_S = 5.0
MAX_KEPT = 200
MAX_POINTS = 600
LEAST_STEP_MS = 1_000


class CurvePoint(Struct, frozen=True):
    """Units at this time, as SQL knows it."""

    at_ms: int
    remaining: int
    held: int
    sold: int


class DropCurve(Struct, frozen=True):
    """The units of a drop in time; the last point is now, or `until_ms`."""

    drop_id: str
    step_ms: int
    points: list[CurvePoint]


class DropResult(Struct, frozen=True):
    """A drop after (or in) its sale. Orders by how they ended; `amount_fen` is the money of sold
    ones, `back_fen` what goes back of it, `late_fen` what came too late and goes back."""

    drop_id: str
    room_id: str | None
    title: str
    state: str
    price_fen: int
    opens_ms: int
    closes_ms: int
    allotted: int
    remaining: int
    held: int
    sold: int
    burned: int
    reserved_orders: int
    reserved_units: int
    sold_orders: int
    released_orders: int
    expired_orders: int
    amount_fen: int
    back_fen: int
    late_fen: int
    failed_fen: Annotated[int, Meta(description="of refunds that failed")]


class ResultFunnel(Struct, frozen=True):
    """Distinct persons. `entered` and `opened` are those of the room, approximate; null without."""

    entered: int | None
    opened: int | None
    reserved: int
    paid: int


class Results(Struct, frozen=True):
    """`more`: there are more than 200 drops, and the sums are those of the first 200."""

    title: str
    began_ms: int
    ended_ms: int
    drops: list[DropResult]
    funnel: ResultFunnel
    more: bool


class SaleResults:
    """One per process. All raise StoreUnavailable."""

    def __init__(self, deployment: Deployment, stats: Stats, clock: Clock) -> None:
        self._sql = deployment.sql
        self._stats = stats
        self._clock = clock
        self._results: TtlCache[Results] = TtlCache(self._load, ttl_s=FRESH_S, max_found=MAX_KEPT)
        self._curves: TtlCache[DropCurve] = TtlCache(
            self._load_curve, ttl_s=FRESH_S, max_found=MAX_KEPT
        )

    async def curves(
        self, drop_ids: Sequence[str], since_ms: int, until_ms: int | None, points: int
    ) -> list[DropCurve]:
        """The curves of those of these drops that there are. Raises InvalidField."""
        now_ms = self._clock.now_ms()
        until_ms = min(until_ms or now_ms, now_ms)
        if until_ms <= since_ms:
            raise InvalidField("until_ms", "It must be after `since_ms`, which must not be ahead.")
        step_ms = max(LEAST_STEP_MS, -(-(until_ms - since_ms) // points))
        # Whole steps of the clock, so that pages which ask at the same time share a result.
        since_ms -= since_ms % step_ms
        until_ms += -until_ms % step_ms
        found: list[DropCurve] = []
        for drop_id in dict.fromkeys(drop_ids):
            curve = await self._curves.get(f"{drop_id} {since_ms} {until_ms} {step_ms}")
            if curve is not None:
                found.append(curve)
        return found

    async def of(self, *, campaign_id: str = "", room_id: str = "") -> Results:
        """Raises Unknown (unknown_campaign, unknown_room)."""
        found = await self._results.get(f"{campaign_id} {room_id}")
        if found is None:
            raise Unknown("unknown_campaign" if campaign_id else "unknown_room")
        return found

    async def _load_curve(self, key: str) -> DropCurve | None:
        drop_id, since, until, step = key.split()
        since_ms, until_ms, step_ms = int(since), int(until), int(step)
        try:
            async with snapshot(self._sql) as connection:  # books and moves of one instant
                rows = await store.find_drops(connection, [drop_id])
                moved = (
                    await store.moves_since(connection, rows[0], since_ms, step_ms) if rows else []
                )
        except (SQLAlchemyError, OSError, TimeoutError) as fault:
            raise StoreUnavailable(type(fault).__name__) from fault
        if not rows:
            return None
        made = trace(rows[0], moved, since_ms, until_ms, step_ms, self._clock.now_ms())
        return DropCurve(drop_id, step_ms, made)

    async def _load(self, key: str) -> Results | None:
        campaign_id, _, room_id = key.partition(" ")
        title = ""
        async with session(self._sql) as connection:
            if campaign_id:
                campaign = await find_campaign(connection, campaign_id)
                if campaign is None:
                    return None
                title = campaign.title
            rows = await store.drops_sold_in(connection, campaign_id=campaign_id, room_id=room_id)
            ids = [row.drop_id for row in rows]
            ordered = await store.orders_of(connection, ids)
            returned = await store.refunds_of(connection, ids)
            buyers = await buyers_of(connection, ids)
        entered = opened = None
        if room_id:
            try:
                numbers = await self._stats.of_room(room_id, 0, 1)
            except LivesaleError as fault:
                if isinstance(fault, Unknown):
                    return None
                raise
            entered, opened = numbers.funnel.entered, numbers.funnel.opened
        drops = _results(rows, ordered, returned)
        return Results(
            title=title,
            began_ms=min((row.opens_ms for row in rows), default=0),
            ended_ms=max((row.closes_ms for row in rows), default=0),
            drops=drops,
            funnel=ResultFunnel(entered, opened, buyers.reserved, buyers.paid),
            more=len(rows) == store.MAX_DROPS,
        )


def trace(
    drop: DropRow, moved: Sequence[Moved], since_ms: int, until_ms: int, step_ms: int, now_ms: int
) -> list[CurvePoint]:
    """The curve, backwards from the books: each point holds until the next one."""
    remaining, held, sold = drop.available, drop.held, drop.sold
    last = (until_ms - since_ms) // step_ms
    points: list[CurvePoint] = []
    for step in reversed(moved):
        if step.step < last:
            ended_ms = min(since_ms + (step.step + 1) * step_ms, until_ms, now_ms)
            points.append(CurvePoint(ended_ms, remaining, held, sold))
        remaining -= step.available
        held -= step.held
        sold -= step.sold
    points.append(CurvePoint(since_ms, remaining, held, sold))
    end_ms, final = min(until_ms, now_ms), points[0]
    if final.at_ms < end_ms:
        points.insert(0, CurvePoint(end_ms, final.remaining, final.held, final.sold))
    return list(reversed(points))


def _results(
    rows: Sequence[DropRow],
    ordered: Sequence[store.Ordered],
    returned: Sequence[store.Returned],
) -> list[DropResult]:
    by_drop: defaultdict[str, dict[str, store.Ordered]] = defaultdict(dict)
    for each in ordered:
        by_drop[each.drop_id][each.state] = each
    back = {each.drop_id: each for each in returned}
    found = []
    for row in rows:
        states, went = by_drop[row.drop_id], back.get(row.drop_id)
        sold = states.get("sold")
        found.append(
            DropResult(
                *(row.drop_id, row.room_id, row.title, row.state, row.price_fen),
                *(row.opens_ms, row.closes_ms, row.allotted, row.available, row.held),
                *(row.sold, row.burned),
                reserved_orders=sum(each.orders for each in states.values()),
                reserved_units=sum(each.units for each in states.values()),
                sold_orders=sold.orders if sold else 0,
                released_orders=states["released"].orders if "released" in states else 0,
                expired_orders=states["expired"].orders if "expired" in states else 0,
                amount_fen=sold.amount_fen if sold else 0,
                back_fen=went.back_fen if went else 0,
                late_fen=went.late_fen if went else 0,
                failed_fen=went.failed_fen if went else 0,
            )
        )
    return found
