"""Merges sales on a wrong, older copy of Redis into SQL, without overselling.

It repeats each entry by the rules of the scripts, on the books in SQL. A reservation that fits is
kept; one that does not is written as reserved and released at once, so its buyer finds it and no
unit is sold twice. Grants are treated the same way. A payment buys what it can, else a refund is
due. It skips entries that SQL has already, an adjustment that scraps more than is available, and
an outdated change of state. The original entry stays in quarantine.
"""

from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.ledger.campaign_units import units_of
from livesale.ledger.rows import read_books
from livesale.ledger.tables import drops, orders, payments, stock_ledger
from livesale.operations.recovery.refit_line import LineRefit
from stock.books import Books
from stock.entries import (
    Adjusted,
    Confirmed,
    Ended,
    Granted,
    LogEntry,
    Reserved,
    Row,
    TakenBack,
    begins,
    movements,
)
from stock.line.rows import COLUMNS as LINE_KINDS
from stock.line.rows import HOLD
from stock.model import ConfirmCode, HoldState

_AFTER = {"release": HoldState.RELEASED, "expire": HoldState.EXPIRED}
_CHANGES = {"pause": ("open", "paused"), "resume": ("paused", "open")}
_SPREAD = 1_000  # the most entries that one entry can become


class _Claim(Struct):
    state: HoldState
    buyer_id: str
    quantity: int


class _Drop(Struct):
    books: Books | None
    state: str
    buyer_limit: int
    units: dict[str, int]
    campaign_id: str = ""  # of a campaign with a limit
    campaign_limit: int = 0


class Refit:
    """Tracks the state of drops and orders; reads their first state from `connection`."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self._drops: dict[str, _Drop] = {}
        self._claims: dict[str, _Claim] = {}
        self._taken: set[str] = set()  # ids of what came back
        self._back: dict[str, int] = {}  # by rid: units that came back
        self._lines = LineRefit(connection)
        self._of_campaigns: dict[tuple[str, str], int] = {}  # by campaign and buyer: units

    async def fit(self, entry: LogEntry) -> list[LogEntry]:
        """The entries that this one becomes, in order, with the books after each."""
        drop = await self._drop(entry.drop_id)
        if entry.kind == "open":
            return self._open(drop, entry)
        if drop.books is None:
            return []  # its opening is lost, so everything else is, too
        made: list[tuple[str, list[Row]]] = []
        match entry.kind:
            case "reserve":
                made = await self._reserve(drop, entry)
            case kind if kind == HOLD:
                turns: list[Row] = [*await self._lines.fit(entry)]
                made = [("line_serve", turns), *await self._reserve(drop, entry)]
            case "grant":
                made = await self._grant(drop, entry)
            case "release" | "expire":
                made = [(entry.kind, await self._end(drop, entry))]
            case "confirm":
                made = [(entry.kind, await self._confirm(drop, entry))]
            case "take_back":
                made = [(entry.kind, await self._take_back(drop, entry))]
            case "adjust":
                made = [(entry.kind, await self._adjust(drop, entry))]
            case kind if kind in LINE_KINDS:
                made = [(kind, [*await self._lines.fit(entry)])]
            case _:
                return self._change(drop, entry)
        return self._write(drop, entry, made)

    def _open(self, drop: _Drop, entry: LogEntry) -> list[LogEntry]:
        if drop.books is not None or drop.state not in ("draft", "opening"):
            return []
        drop.books, drop.state = entry.books, "open"
        return [entry]

    def _change(self, drop: _Drop, entry: LogEntry) -> list[LogEntry]:
        assert drop.books is not None  # noqa: S101  checked by fit
        before, after = _CHANGES.get(entry.kind, ("", "closed"))
        if drop.state != before and (after != "closed" or drop.state == "closed"):
            return []
        drop.state = after
        return [replace(entry, id=_id(entry, 0), books=drop.books)]

    async def _reserve(self, drop: _Drop, entry: LogEntry) -> list[tuple[str, list[Row]]]:
        rows = [row for row in entry.rows if isinstance(row, Reserved)]
        fitting, others = await self._divide(drop, entry, rows, HoldState.HELD)
        return [("reserve", fitting), *_returned(others)]

    async def _grant(self, drop: _Drop, entry: LogEntry) -> list[tuple[str, list[Row]]]:
        rows = [row for row in entry.rows if isinstance(row, Granted)]
        begun = [row for row in rows if begins(row)]
        fitting, others = await self._divide(drop, entry, begun, HoldState.SOLD)
        for row in rows:
            claim = None if begins(row) else await self._claim(row.rid)
            if claim and claim.state is HoldState.HELD:
                claim.state = HoldState.SOLD
                fitting.append(row)
        return [("grant", fitting), *_returned(others)]

    async def _divide(
        self,
        drop: _Drop,
        entry: LogEntry,
        rows: Sequence[Reserved] | Sequence[Granted],
        after: HoldState,
    ) -> tuple[list[Row], list[Reserved]]:
        """Of rows that SQL lacks: those that fit, which become `after`; and the others, as
        reservations."""
        fitting: list[Row] = []
        others: list[Reserved] = []
        left = drop.books.available if drop.books else 0
        for row in rows:
            if await self._claim(row.rid):
                continue
            fits = row.quantity <= left and await self._fits(drop, entry.drop_id, row)
            state = after if fits else HoldState.RELEASED
            self._claims[row.rid] = _Claim(state, row.buyer_id, row.quantity)
            if fits:
                left -= row.quantity
                await self._give(drop, entry.drop_id, row.buyer_id, row.quantity)
                fitting.append(row)
            elif isinstance(row, Reserved):
                others.append(row)
            else:
                others.append(Reserved(row.rid, row.buyer_id, row.quantity, 0, entry.at_ms))
        return fitting, others

    async def _end(self, drop: _Drop, entry: LogEntry) -> list[Row]:
        kept: list[Row] = []
        for row in entry.rows:
            claim = await self._claim(row.rid) if isinstance(row, Ended) else None
            if claim and claim.state is HoldState.HELD:
                claim.state = _AFTER[entry.kind]
                await self._give(drop, entry.drop_id, claim.buyer_id, -claim.quantity)
                kept.append(row)
        return kept

    async def _confirm(self, drop: _Drop, entry: LogEntry) -> list[Row]:
        kept: list[Row] = []
        for row in entry.rows:
            if not isinstance(row, Confirmed) or await self._paid(row.payment_id):
                continue
            claim = await self._claim(row.rid)
            if claim is None:
                continue
            before = claim.state
            code = await self._settle(drop, entry.drop_id, claim)
            if code is not ConfirmCode.REFUND_DUE:
                claim.state = HoldState.SOLD
            kept.append(replace(row, before=before, code=code))
        return kept

    async def _settle(self, drop: _Drop, drop_id: str, claim: _Claim) -> ConfirmCode:
        if claim.state is HoldState.HELD:
            return ConfirmCode.SOLD
        left = drop.books.available if drop.books else 0
        fits = claim.quantity <= left and await self._fits(drop, drop_id, claim)
        if claim.state is HoldState.SOLD or not fits:
            return ConfirmCode.REFUND_DUE
        await self._give(drop, drop_id, claim.buyer_id, claim.quantity)
        return ConfirmCode.LATE_SOLD

    async def _adjust(self, drop: _Drop, entry: LogEntry) -> list[Row]:
        left = drop.books.available if drop.books else 0
        kept: list[Row] = []
        for row in entry.rows:
            if not isinstance(row, Adjusted) or drop.state == "closed" or left + row.delta < 0:
                continue
            if not await self._is_adjusted(entry.drop_id, row.adjust_id):
                kept.append(row)
        return kept

    async def _take_back(self, drop: _Drop, entry: LogEntry) -> list[Row]:
        kept: list[Row] = []
        for row in entry.rows:
            claim = await self._claim(row.rid) if isinstance(row, TakenBack) else None
            if not isinstance(row, TakenBack) or claim is None or drop.state == "closed":
                continue
            if claim.state is not HoldState.SOLD:
                continue
            if row.take_id in self._taken or await self._is_adjusted(entry.drop_id, row.take_id):
                continue
            if row.rid not in self._back:
                self._back[row.rid] = await self._came_back(entry.drop_id, row.rid)
            if self._back[row.rid] + row.quantity > claim.quantity:
                continue
            self._taken.add(row.take_id)
            self._back[row.rid] += row.quantity
            await self._give(drop, entry.drop_id, claim.buyer_id, -row.quantity)
            kept.append(row)
        return kept

    async def _is_adjusted(self, drop_id: str, adjust_id: str) -> bool:
        moved = stock_ledger.c
        query = select(func.count()).where(moved.drop_id == drop_id, moved.adjust_id == adjust_id)
        return bool(await self._connection.scalar(query))

    async def _came_back(self, drop_id: str, rid: str) -> int:
        """Units of an order that came back, as SQL has them."""
        moved = stock_ledger.c
        query = select(func.sum(moved.sold)).where(
            moved.drop_id == drop_id, moved.kind == "take_back", moved.order_id == rid
        )
        return -int(await self._connection.scalar(query) or 0)

    def _write(
        self, drop: _Drop, entry: LogEntry, made: Sequence[tuple[str, list[Row]]]
    ) -> list[LogEntry]:
        assert drop.books is not None  # noqa: S101  checked by fit
        written: list[LogEntry] = []
        for number, (kind, rows) in enumerate(made):
            if not rows:
                continue
            new = replace(entry, id=_id(entry, number), kind=kind, rows=tuple(rows))
            for movement in movements(new):
                drop.books = drop.books.plus(movement)
            written.append(replace(new, books=drop.books))
        return written

    async def _drop(self, drop_id: str) -> _Drop:
        known = self._drops.get(drop_id)
        if known is None:
            row = drops.c
            query = select(row.state, row.buyer_limit, row.campaign_id, row.campaign_limit)
            found = (await self._connection.execute(query.where(row.drop_id == drop_id))).first()
            state, limit, campaign, most = found or ("", 0, "", 0)
            books = await read_books(self._connection, drop_id)
            known = _Drop(books, state, limit, {}, campaign if most else "", most)
            self._drops[drop_id] = known
        return known

    async def _claim(self, rid: str) -> _Claim | None:
        known = self._claims.get(rid)
        if known is None:
            query = select(orders.c.state, orders.c.buyer_id, orders.c.quantity)
            found = (await self._connection.execute(query.where(orders.c.order_id == rid))).first()
            if found:
                known = self._claims[rid] = _Claim(HoldState(found[0]), found[1], found[2])
        return known

    async def _fits(self, drop: _Drop, drop_id: str, row: Reserved | Granted | _Claim) -> bool:
        """Whether a buyer may have these units, too."""
        units = await self._units(drop, drop_id, row.buyer_id)
        if units + row.quantity > drop.buyer_limit:
            return False
        of_campaign = await self._of_campaign(drop.campaign_id, row.buyer_id)
        return not drop.campaign_id or of_campaign + row.quantity <= drop.campaign_limit

    async def _give(self, drop: _Drop, drop_id: str, buyer_id: str, quantity: int) -> None:
        """Units that a buyer gets, or gives back."""
        before = await self._of_campaign(drop.campaign_id, buyer_id)
        drop.units[buyer_id] = await self._units(drop, drop_id, buyer_id) + quantity
        self._of_campaigns[drop.campaign_id, buyer_id] = before + quantity

    async def _of_campaign(self, campaign_id: str, buyer_id: str) -> int:
        known = self._of_campaigns.get((campaign_id, buyer_id))
        if known is None:
            found = await units_of(self._connection, campaign_id, buyer_id) if campaign_id else {}
            known = self._of_campaigns[campaign_id, buyer_id] = found.get(buyer_id, 0)
        return known

    async def _units(self, drop: _Drop, drop_id: str, buyer_id: str) -> int:
        if buyer_id not in drop.units:
            total = await self._connection.scalar(
                select(func.sum(orders.c.quantity)).where(
                    orders.c.drop_id == drop_id,
                    orders.c.buyer_id == buyer_id,
                    orders.c.state.in_(("held", "sold")),
                )
            )
            moved = stock_ledger.c
            back = await self._connection.scalar(
                select(func.sum(moved.sold))
                .join(orders, orders.c.order_id == moved.order_id)
                .where(
                    moved.drop_id == drop_id,
                    moved.kind == "take_back",
                    orders.c.buyer_id == buyer_id,
                )
            )
            drop.units[buyer_id] = int(total or 0) + int(back or 0)
        return drop.units[buyer_id]

    async def _paid(self, payment_id: str) -> bool:
        query = select(func.count()).where(payments.c.payment_id == payment_id)
        return bool(await self._connection.scalar(query))


def _returned(rows: Sequence[Reserved]) -> list[tuple[str, list[Row]]]:
    """Reserve and release at once."""
    ended = [Ended(row.rid, row.buyer_id, row.quantity) for row in rows]
    return [("reserve", [*rows]), ("release", [*ended])]


def _id(entry: LogEntry, number: int) -> str:
    """A new id for each resulting entry, because ids of the ledger are unique."""
    ms, _, seq = entry.id.partition("-")
    return f"{ms}-{int(seq) * _SPREAD + number}"
