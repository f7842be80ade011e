"""What a buyer has, from both stores. What one of them has is shown while the other is away.

A reservation and its order have one id. SQL has the order a moment after the reservation: what it
lacks comes from the log, and what it calls held is looked up in Redis, which decides.
"""

import asyncio
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress

from msgspec import Struct
from redis.exceptions import RedisError

from livesale.catalogue.goods.service import Goods, GoodsView
from livesale.database.errors import StoreUnavailable
from livesale.database.keyset import key_of, next_cursor
from livesale.database.session import session
from livesale.ledger.orders import Order, held_orders
from livesale.ledger.refunds import Refund
from livesale.mine import store
from livesale.mine.limits import Limit, Limits
from livesale.mine.store import OwnCoupon, OwnRefund
from livesale.mine.unsaved import Unsaved, UnsavedReservations
from livesale.orders.service import Money, Orders
from livesale.reminders.service import ReminderKind, Reminders, WaitingReminder
from livesale.resources import Deployment
from livesale.tasks.ttl_cache import TtlCache
from livesale.validation.refusals import ReminderRefused
from stock.errors import StockError
from stock.ids import drop_of
from stock.model import MAX_HOLD_MS, HoldState, Reservation

FIRST = 20  # of each list, in the overview
MAX_HELD = 200
SQL_S = 3.0  # then a buyer is shown what Redis has
LIVE_S = 2.0  # cache time of the list of drops that sell
AT_ONCE = 16  # look-ups of one call
AWAY = (StockError, RedisError)
SQL_ONLY = ("orders", "refunds", "coupons", "reminders")

Page = tuple[list["OwnOrder"], str | None, bool]


class OwnOrder(Struct, frozen=True):
    """An order, or a reservation that SQL does not have yet: then `order` is None."""

    reservation: Reservation
    created_ms: int
    order: Order | None
    money: Money | None
    goods: Goods

    @property
    def drop_id(self) -> str:
        return drop_of(self.reservation.rid)


class OwnLimit(Struct, frozen=True):
    limit: Limit
    goods: Goods


class OwnReminder(Struct, frozen=True):
    """`title` and `begins_ms` of the room or the drop; null for one that is gone."""

    reminder: WaitingReminder
    title: str | None
    begins_ms: int | None


class Overview(Struct):
    """`missing` names what could not be read now."""

    holds: list[OwnOrder]
    limits: list[OwnLimit]
    orders: list[OwnOrder]
    orders_next: str | None
    refunds: list[OwnRefund]
    refunds_next: str | None
    coupons: list[OwnCoupon]
    coupons_next: str | None
    reminders: list[OwnReminder]
    missing: list[str]


class Mine:
    """One per process. All raise StoreUnavailable where nothing can be shown."""

    def __init__(
        self,
        deployment: Deployment,
        orders: Orders,
        reminders: Reminders,
        goods: GoodsView,
        now_ms: Callable[[], int],
    ) -> None:
        self._sql = deployment.sql
        self._engine = deployment.engine
        self._orders = orders
        self._reminders = reminders
        self._goods = goods
        self._limits = Limits(deployment)
        self._unsaved = UnsavedReservations(deployment)
        self._now_ms = now_ms
        self._live: TtlCache[list[str]] = TtlCache(
            self._load_live, ttl_s=LIVE_S, stale_on=(StoreUnavailable,)
        )
        self._live_ids: list[str] = []

    async def overview(self, buyer_id: str) -> Overview:
        """All of it at once; raises StoreUnavailable only if both stores are away."""
        missing: list[str] = []
        fresh = await self._fresh(buyer_id, missing)
        seen = Overview([], [], [], None, [], None, [], None, [], missing)
        try:
            async with asyncio.timeout(SQL_S):
                await self._read_sql(buyer_id, seen, fresh or [])
        except (StoreUnavailable, TimeoutError) as fault:
            if fresh is None:
                raise StoreUnavailable("neither store answers") from fault
            seen = Overview([], [], [], None, [], None, [], None, [], missing)
            missing += SQL_ONLY
            seen.orders = await self._merge([], fresh, missing)
            seen.holds = [one for one in seen.orders if _is_held(one)]
        try:
            seen.limits = await self._own_limits(
                buyer_id, seen.orders + seen.holds, sql_away="orders" in missing
            )
        except AWAY:
            missing.append("limits")
        seen.missing = list(dict.fromkeys(missing))
        return seen

    async def orders(self, buyer_id: str, *, after: str, limit: int) -> Page:
        """A page of the orders, the newest first, with the cursor of the next, and whether it is
        whole. Without SQL, the first page has what SQL does not have yet."""
        missing: list[str] = []
        fresh = None if after else await self._fresh(buyer_id, missing)
        try:
            async with asyncio.timeout(SQL_S):
                found, cursor = await self._orders.page(buyer_id, after=after or None, limit=limit)
                return await self._merge(found, fresh or [], missing), cursor, not missing
        except (StoreUnavailable, TimeoutError) as fault:
            if fresh is None:
                raise StoreUnavailable("SQL does not answer") from fault
            return await self._merge([], fresh, [*missing, *SQL_ONLY]), None, False

    async def refunds(
        self, buyer_id: str, *, after: str, limit: int
    ) -> tuple[list[OwnRefund], str | None]:
        async with session(self._sql) as connection:
            found = await store.refunds_of_buyer(
                connection, buyer_id, before=key_of(after), limit=limit
            )
        return found, next_cursor(
            found, limit, lambda refund: (refund.created_ms, refund.refund_no)
        )

    async def coupons(
        self, buyer_id: str, *, after: str, limit: int
    ) -> tuple[list[OwnCoupon], str | None]:
        async with session(self._sql) as connection:
            found = await store.coupons_of(connection, buyer_id, before=after, limit=limit)
        return found, found[-1].prize.bag_id if len(found) == limit else None

    async def goods(self, drop_ids: Collection[str]) -> dict[str, Goods]:
        return await self._goods.of(drop_ids)

    async def _read_sql(self, buyer_id: str, seen: Overview, fresh: Sequence[Unsaved]) -> None:
        found, seen.orders_next = await self._orders.page(buyer_id, after=None, limit=FIRST)
        since_ms = self._now_ms() - MAX_HOLD_MS
        async with session(self._sql) as connection:
            held = await held_orders(connection, buyer_id, since_ms=since_ms, limit=MAX_HELD)
        shown = {order.order_id for order in found}
        older = [order for order in held if order.order_id not in shown]
        whole = await self._merge([*found, *older], fresh, seen.missing)
        seen.holds = [one for one in whole if _is_held(one)]
        older_ids = {order.order_id for order in older}
        seen.orders = [one for one in whole if one.reservation.rid not in older_ids]
        seen.refunds, seen.refunds_next = await self.refunds(buyer_id, after="", limit=FIRST)
        seen.coupons, seen.coupons_next = await self.coupons(buyer_id, after="", limit=FIRST)
        seen.reminders = await self._own_reminders(buyer_id)

    async def _fresh(self, buyer_id: str, missing: list[str]) -> list[Unsaved] | None:
        """What SQL does not have yet; None if Redis is away."""
        try:
            found = await self._unsaved.of(buyer_id)
        except AWAY:
            missing.append("reservations")
            return None
        if not found.whole:
            missing.append("reservations")
        return found.reservations

    async def _merge(
        self, found: Sequence[Order], fresh: Sequence[Unsaved], missing: list[str]
    ) -> list[OwnOrder]:
        """Orders and reservations by their id, the newest first, in their present state."""
        saved = {order.order_id: order for order in found}
        begun = {one.reservation.rid: one for one in fresh}
        known = {rid: _reservation_of(order) for rid, order in saved.items()}
        known = {rid: one.reservation for rid, one in begun.items()} | known
        unsure = [
            rid for rid, claim in known.items() if rid not in saved or claim.state == HoldState.HELD
        ]
        known |= await self._look_up(unsure, missing)
        money: Money | None = None
        if saved:
            money = await self._orders.money(list(saved))
        sql_away = "orders" in missing
        goods = await self._goods.of({drop_of(rid) for rid in known}, sql_away=sql_away)
        own = [
            OwnOrder(
                claim,
                saved[rid].created_ms if rid in saved else begun[rid].created_ms,
                saved.get(rid),
                money,
                goods[drop_of(rid)],
            )
            for rid, claim in known.items()
        ]
        return sorted(own, key=lambda one: (one.created_ms, one.reservation.rid), reverse=True)

    async def _look_up(self, rids: Sequence[str], missing: list[str]) -> dict[str, Reservation]:
        """What Redis knows of these. A drop that was archived has left it: SQL's word stands."""
        found: dict[str, Reservation] = {}
        try:
            for start in range(0, len(rids), AT_ONCE):
                some = rids[start : start + AT_ONCE]
                for claim in await asyncio.gather(*map(self._engine.reservation, some)):
                    if claim is not None:
                        found[claim.rid] = claim
        except AWAY:
            missing.append("reservations")
        return found

    async def _own_limits(
        self, buyer_id: str, own: Sequence[OwnOrder], *, sql_away: bool
    ) -> list[OwnLimit]:
        """Of drops that sell, and of those that the buyer has something of; without SQL, of the
        latter and of those that sold when it was asked last."""
        drop_ids = [one.drop_id for one in own]
        if not sql_away:
            with suppress(StoreUnavailable):
                self._live_ids = await self._live.get("") or []
        drop_ids += self._live_ids
        found = await self._limits.of(buyer_id, list(dict.fromkeys(drop_ids)))
        goods = await self._goods.of([limit.drop_id for limit in found], sql_away=sql_away)
        return [OwnLimit(limit, goods[limit.drop_id]) for limit in found]

    async def _own_reminders(self, buyer_id: str) -> list[OwnReminder]:
        try:
            found = (await self._reminders.list(buyer_id)).reminders
        except ReminderRefused:  # the settings have no templates
            return []
        room_ids = [one.target_id for one in found if one.kind is ReminderKind.ROOM]
        drop_ids = [one.target_id for one in found if one.kind is ReminderKind.DROP]
        async with session(self._sql) as connection:
            rooms = await store.titles_of_rooms(connection, room_ids) if room_ids else {}
            opens_ms = await store.openings_of(connection, drop_ids) if drop_ids else {}
        goods = await self._goods.of(drop_ids)
        own = []
        for one in found:
            if one.kind is ReminderKind.DROP:
                title, begins_ms = goods[one.target_id].title, opens_ms.get(one.target_id)
            else:
                room = rooms.get(one.target_id)
                title, begins_ms = (room.title, room.begins_ms) if room else (None, None)
            own.append(OwnReminder(one, title, begins_ms))
        return own

    async def _load_live(self, _key: str) -> list[str]:
        async with session(self._sql) as connection:
            return await store.live_drops(connection)


def refunds_of(own: OwnOrder) -> list[Refund]:
    """The refunds of an order, the oldest first."""
    refunds = own.money.refunds if own.money else []
    return [refund for refund in refunds if refund.order_id == own.reservation.rid]


def _reservation_of(order: Order) -> Reservation:
    return Reservation(
        *(order.order_id, HoldState(order.state), order.buyer_id, order.quantity),
        *(order.price_fen, order.expires_ms),
    )


def _is_held(own: OwnOrder) -> bool:
    return own.reservation.state == HoldState.HELD
