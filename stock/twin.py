"""The engine in memory: the same rules in plain Python, without Redis.

It is the specification for tests of the Lua scripts, and a substitute in tests of programs that use
the library. Nothing here is durable. Like the scripts, it logs an entry for every call that changed
something.
"""

import time
from collections.abc import AsyncIterator, Callable, Sequence

from msgspec.structs import replace

from stock.books import Books
from stock.entries import (
    Adjusted,
    Confirmed,
    Ended,
    Granted,
    LogEntry,
    Opened,
    Reserved,
    Row,
    TakenBack,
)
from stock.errors import FencedOff, ScriptRefused
from stock.ids import drop_of, id_key
from stock.keyspace import Keyspace
from stock.line.model import LineState
from stock.line.rows import LineRow
from stock.line.twin import TwinLine
from stock.model import (
    MAX_BATCH,
    MAX_BEHIND,
    MAX_UNITS,
    AdjustCode,
    ArchiveCode,
    Attempt,
    BatchOutcome,
    ConfirmCode,
    ConfirmOutcome,
    DropState,
    DropTerms,
    Fate,
    Grant,
    GrantCode,
    GrantOutcome,
    HoldState,
    OpenCode,
    Outcome,
    ReleaseCode,
    ReleaseOutcome,
    Reservation,
    ReserveCode,
    Snapshot,
    StateCode,
    TakeBack,
    TakeBackCode,
    Ticket,
    check_grants,
    check_take_back,
)

TICKET_AHEAD_MS = 5_000


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000


def _newest_serial(now: int) -> int:
    """The largest valid serial now. A higher one was issued while the clock was ahead."""
    return (now + TICKET_AHEAD_MS) * 1000


def _refuse_ticket(ticket: Ticket | None, now: int, newest_used: int) -> ReserveCode | None:
    if ticket is None:
        return ReserveCode.TICKET_REQUIRED
    if ticket.expires_ms <= now or ticket.serial > _newest_serial(now):
        return ReserveCode.TICKET_INVALID
    used = ticket.serial <= newest_used <= _newest_serial(now)
    return ReserveCode.TICKET_USED if used else None


class _Drop:
    """One drop's state; the counters are stored, not derived, as in Redis."""

    def __init__(self, terms: DropTerms, of_campaign: dict[str, int]) -> None:
        self.terms = terms
        self.of_campaign = of_campaign  # by buyer: held or sold of all drops of the campaign
        self.state = DropState.OPEN
        self.books = Books(allotted=terms.allotted, available=terms.allotted)
        self.adjustments: dict[str, int] = {}
        self.taken: dict[str, TakeBack] = {}
        self.reservations: dict[str, Reservation] = {}
        self.units: dict[str, int] = {}  # by buyer: held or sold
        self.expired: dict[str, int] = {}  # by buyer: expired holds
        self.used: dict[str, int] = {}  # by buyer: the newest used ticket

    def move(self, *, available: int = 0, held: int = 0, sold: int = 0, burned: int = 0) -> None:
        b = self.books
        parts = (b.available + available, b.held + held, b.sold + sold, b.burned + burned)
        self.books = Books(sum(parts), *parts)

    def fits(self, buyer_id: str, quantity: int) -> bool:
        """Whether a buyer may have so many more."""
        terms, more = self.terms, self.of_campaign.get(buyer_id, 0) + quantity
        if terms.campaign_id and more > terms.campaign_limit:
            return False
        return self.units.get(buyer_id, 0) + quantity <= terms.buyer_limit

    def give(self, buyer_id: str, quantity: int) -> None:
        """Units that a buyer gets, or gives back."""
        for units in (self.units, self.of_campaign):
            units[buyer_id] = units.get(buyer_id, 0) + quantity

    def takes_one(self, rid: str, buyer_id: str) -> bool:
        """Whether a new reservation of one unit is right for this buyer."""
        limit, expired = self.terms.expired_limit, self.expired.get(buyer_id, 0)
        is_barred = 0 < limit <= expired
        return rid not in self.reservations and self.fits(buyer_id, 1) and not is_barred

    def refusal(self, now: int) -> ReserveCode | None:
        """Why the drop does not sell now; None if it does."""
        if self.state is DropState.CLOSED or now >= self.terms.closes_ms:
            return ReserveCode.CLOSED
        if now < self.terms.opens_ms:
            return ReserveCode.NOT_OPEN
        return ReserveCode.PAUSED if self.state is DropState.PAUSED else None


class TwinEngine:
    """`stock.engine.Engine` in memory. `clock` gives milliseconds; `fence()` raises the epoch."""

    def __init__(
        self, keyspace: Keyspace | None = None, clock: Callable[[], int] = _wall_ms
    ) -> None:
        self.keyspace = keyspace or Keyspace(1)
        self.clock = clock
        self.epochs = dict.fromkeys(range(self.keyspace.partitions), 1)
        self.log: dict[int, list[LogEntry]] = {number: [] for number in self.epochs}
        self._true_epochs = dict(self.epochs)
        self._drops: dict[str, _Drop] = {}
        # By partition and campaign: units by buyer.
        self.of_campaigns: dict[tuple[int, str], dict[str, int]] = {}
        self._due: dict[int, dict[str, int]] = {number: {} for number in self.epochs}
        self.line = TwinLine(self)

    def fence(self, partition: int) -> None:
        """Raise the epoch without telling this engine, like `recover`."""
        self._true_epochs[partition] += 1

    async def open_drop(self, drop_id: str, terms: DropTerms) -> OpenCode:
        if self.is_fenced(drop_id):
            return OpenCode.FENCED
        drop = self._drops.get(drop_id)
        if drop is not None:
            # Restocking changes `allotted`; the first log entry has the original value.
            return OpenCode.REPLAYED if self._opened_as(drop_id) == terms else OpenCode.CONFLICT
        place = self.keyspace.partition_of(drop_id), terms.campaign_id
        self._drops[drop_id] = _Drop(terms, self.of_campaigns.setdefault(place, {}))
        self._due[self.keyspace.partition_of(drop_id)][drop_id] = terms.closes_ms
        self.append("open", drop_id, Opened(terms))
        return OpenCode.OPENED

    async def reserve(self, drop_id: str, attempts: Sequence[Attempt]) -> BatchOutcome:
        if not 1 <= len(attempts) <= MAX_BATCH:
            raise ValueError(f"a batch has 1 to {MAX_BATCH} attempts, not {len(attempts)}")
        drop = self._drops.get(drop_id)
        if self.is_fenced(drop_id) or drop is None:
            code = ReserveCode.FENCED if self.is_fenced(drop_id) else ReserveCode.UNKNOWN_DROP
            return BatchOutcome([Outcome(code)] * len(attempts), now_ms=0, remaining=0, buyers=0)
        now = self.clock()
        answers = [self._attempt(drop, attempt, now) for attempt in attempts]
        held = [claim for code, claim in answers if claim and code is ReserveCode.HELD]
        if held:
            due = self._due[self.keyspace.partition_of(drop_id)]
            due.update({claim.rid: claim.expires_ms for claim in held})
            rows = [
                Reserved(c.rid, c.buyer_id, c.quantity, c.price_fen, c.expires_ms) for c in held
            ]
            self.append("reserve", drop_id, *rows)
        remaining = drop.books.available
        outcomes = [
            Outcome(code, remaining, claim, 0 if claim else drop.terms.opens_ms)
            for code, claim in answers
        ]
        return BatchOutcome(outcomes, now, remaining, len(drop.units))

    def _attempt(
        self, drop: _Drop, attempt: Attempt, now: int
    ) -> tuple[ReserveCode, Reservation | None]:
        rid, buyer_id, quantity = attempt.rid, attempt.buyer_id, attempt.quantity
        known = drop.reservations.get(rid)
        if known is not None:
            same = (known.buyer_id, known.quantity) == (buyer_id, quantity)
            return (ReserveCode.REPLAYED, known) if same else (ReserveCode.CONFLICT, None)
        terms = drop.terms
        refused = drop.refusal(now)
        if refused is not None:
            return refused, None
        if not drop.fits(buyer_id, quantity):
            return ReserveCode.OVER_LIMIT, None
        if 0 < terms.expired_limit <= drop.expired.get(buyer_id, 0):
            return ReserveCode.BARRED, None
        if quantity > drop.books.available:
            return ReserveCode.SOLD_OUT, None
        if terms.ticket_required:
            refusal = _refuse_ticket(attempt.ticket, now, drop.used.get(buyer_id, 0))
            if refusal is not None:
                return refusal, None
            assert attempt.ticket is not None  # noqa: S101  otherwise it was refused
            drop.used[buyer_id] = attempt.ticket.serial
        claim = Reservation(
            rid, HoldState.HELD, buyer_id, quantity, terms.price_fen, now + terms.hold_ms
        )
        drop.reservations[rid] = claim
        drop.give(buyer_id, quantity)
        drop.move(available=-quantity, held=quantity)
        return ReserveCode.HELD, claim

    async def confirm(self, rid: str, payment_id: str, amount_fen: int) -> ConfirmOutcome:
        drop_id = drop_of(rid)
        if self.is_fenced(drop_id):
            return ConfirmOutcome(ConfirmCode.FENCED)
        drop = self._drops.get(drop_id)
        claim = drop.reservations.get(rid) if drop else None
        if drop is None or claim is None:
            return ConfirmOutcome(ConfirmCode.UNKNOWN)
        if not claim.price_fen or amount_fen != claim.amount_fen:
            return ConfirmOutcome(ConfirmCode.MISMATCH, claim)
        if payment_id == claim.paid_by:
            return ConfirmOutcome(ConfirmCode.REPLAYED, claim)
        if payment_id in claim.refunds:
            return ConfirmOutcome(ConfirmCode.REFUND_DUE, claim)
        code = self._settle(drop, claim)
        if code is ConfirmCode.REFUND_DUE:
            after = replace(claim, refunds=(*claim.refunds, payment_id))
        else:
            after = replace(claim, state=HoldState.SOLD, paid_by=payment_id)
        drop.reservations[rid] = after
        self._due[self.keyspace.partition_of(drop_id)].pop(rid, None)
        row = Confirmed(
            rid, claim.buyer_id, claim.quantity, claim.state, code, payment_id, amount_fen
        )
        self.append("confirm", drop_id, row)
        return ConfirmOutcome(code, after)

    def _settle(self, drop: _Drop, claim: Reservation) -> ConfirmCode:
        quantity = claim.quantity
        if claim.state is HoldState.HELD:
            drop.move(held=-quantity, sold=quantity)
            return ConfirmCode.SOLD
        fits = drop.books.available >= quantity and drop.fits(claim.buyer_id, quantity)
        if claim.state is not HoldState.SOLD and fits:
            drop.give(claim.buyer_id, quantity)
            drop.move(available=-quantity, sold=quantity)
            return ConfirmCode.LATE_SOLD
        return ConfirmCode.REFUND_DUE

    async def grant(self, drop_id: str, source: str, grants: Sequence[Grant]) -> list[GrantOutcome]:
        check_grants(source, grants)
        drop = self._drops.get(drop_id)
        if self.is_fenced(drop_id) or drop is None:
            code = GrantCode.FENCED if self.is_fenced(drop_id) else GrantCode.UNKNOWN_DROP
            return [GrantOutcome(code)] * len(grants)
        now, outcomes, rows = self.clock(), [], []
        for one in grants:
            known = drop.reservations.get(one.rid)
            code, claim = self._grant(drop, one, known, now)
            outcomes.append(GrantOutcome(code, claim))
            if code is GrantCode.GRANTED:
                before = known.state if known else None
                rows.append(Granted(one.rid, one.buyer_id, one.quantity, before, source))
                self._due[self.keyspace.partition_of(drop_id)].pop(one.rid, None)
        if rows:
            self.append("grant", drop_id, *rows, at_ms=now)
        return outcomes

    def _grant(
        self, drop: _Drop, one: Grant, known: Reservation | None, now: int
    ) -> tuple[GrantCode, Reservation | None]:
        rid, buyer_id, quantity = one.rid, one.buyer_id, one.quantity
        if known is not None:
            if (known.buyer_id, known.quantity) != (buyer_id, quantity):
                return GrantCode.CONFLICT, None
            if known.state is not HoldState.HELD:
                return GrantCode.REPLAYED, known
            if known.price_fen:
                return GrantCode.CONFLICT, None
            drop.move(held=-quantity, sold=quantity)
            claim = replace(known, state=HoldState.SOLD)
        else:
            refused = drop.refusal(now)
            if refused is not None:
                return GrantCode(refused.value), None
            if not drop.fits(buyer_id, quantity):
                return GrantCode.OVER_LIMIT, None
            if quantity > drop.books.available:
                return GrantCode.SOLD_OUT, None
            drop.give(buyer_id, quantity)
            drop.move(available=-quantity, sold=quantity)
            claim = Reservation(rid, HoldState.SOLD, buyer_id, quantity, 0, now)
        drop.reservations[rid] = claim
        return GrantCode.GRANTED, claim

    async def release(self, rid: str, buyer_id: str) -> ReleaseOutcome:
        drop_id = drop_of(rid)
        if self.is_fenced(drop_id):
            return ReleaseOutcome(ReleaseCode.FENCED)
        drop = self._drops.get(drop_id)
        claim = drop.reservations.get(rid) if drop else None
        if drop is None or claim is None or claim.buyer_id != buyer_id:
            return ReleaseOutcome(ReleaseCode.UNKNOWN)
        if claim.state is HoldState.SOLD:
            return ReleaseOutcome(ReleaseCode.ALREADY_SOLD, claim)
        if claim.state is not HoldState.HELD:
            return ReleaseOutcome(ReleaseCode.REPLAYED, claim)
        after = self._end(drop, claim, HoldState.RELEASED)
        self.append("release", drop_id, Ended(rid, buyer_id, claim.quantity))
        return ReleaseOutcome(ReleaseCode.RELEASED, after)

    async def expire(self, drop_id: str, rids: Sequence[str]) -> int:
        if not 1 <= len(rids) <= MAX_BATCH:
            raise ValueError(f"a sweep has 1 to {MAX_BATCH} rids, not {len(rids)}")
        if self.is_fenced(drop_id):
            raise FencedOff(f"partition of {drop_id}")
        if any(drop_of(rid) != drop_id for rid in rids):
            raise ScriptRefused(f"EXPIRE of {drop_id} got a rid of another drop")
        drop = self._drops.get(drop_id)
        if drop is None:
            return 0
        now, rows = self.clock(), []
        for rid in rids:
            claim = drop.reservations.get(rid)
            if claim and claim.state is HoldState.HELD and claim.expires_ms <= now:
                self._end(drop, claim, HoldState.EXPIRED)
                drop.expired[claim.buyer_id] = drop.expired.get(claim.buyer_id, 0) + 1
                rows.append(Ended(rid, claim.buyer_id, claim.quantity))
        if rows:
            self.append("expire", drop_id, *rows)
        return len(rows)

    def _end(self, drop: _Drop, claim: Reservation, state: HoldState) -> Reservation:
        after = drop.reservations[claim.rid] = replace(claim, state=state)
        drop.give(claim.buyer_id, -claim.quantity)
        drop.move(available=claim.quantity, held=-claim.quantity)
        self._due[self.keyspace.partition_of(drop_of(claim.rid))].pop(claim.rid, None)
        return after

    async def adjust_drop(
        self, drop_id: str, adjust_id: str, delta: int, reason: str
    ) -> tuple[AdjustCode, int]:
        if delta == 0:
            raise ValueError("an adjustment of 0 units changes nothing")
        if self.is_fenced(drop_id):
            return AdjustCode.FENCED, 0
        drop = self._drops.get(drop_id)
        if drop is None:
            return AdjustCode.UNKNOWN_DROP, 0
        available = drop.books.available
        if adjust_id in drop.adjustments:
            same = drop.adjustments[adjust_id] == delta
            return AdjustCode.REPLAYED if same else AdjustCode.CONFLICT, available
        if drop.state is DropState.CLOSED:
            return AdjustCode.CLOSED, available
        if available + delta < 0:
            return AdjustCode.TOO_FEW, available
        if drop.books.allotted + delta > MAX_UNITS:
            return AdjustCode.TOO_MANY, available
        drop.adjustments[adjust_id] = delta
        drop.move(available=delta, burned=max(0, -delta))
        self.append("adjust", drop_id, Adjusted(adjust_id, delta, reason))
        return AdjustCode.ADJUSTED, drop.books.available

    async def take_back(self, back: TakeBack) -> tuple[TakeBackCode, int]:
        check_take_back(back)
        drop_id = drop_of(back.rid)
        if self.is_fenced(drop_id):
            return TakeBackCode.FENCED, 0
        drop = self._drops.get(drop_id)
        if drop is None:
            return TakeBackCode.UNKNOWN_DROP, 0
        code = self._refuse_taking(drop, back)
        if code is not None:
            return code, drop.books.available
        drop.taken[back.take_id] = back
        buyer_id, units = drop.reservations[back.rid].buyer_id, back.units
        drop.give(buyer_id, -units)
        if back.fate is Fate.AVAILABLE:
            drop.move(available=units, sold=-units)
        else:
            drop.move(sold=-units, burned=units)
        row = TakenBack(back.rid, buyer_id, units, back.take_id, back.fate, back.reason)
        self.append("take_back", drop_id, row)
        return TakeBackCode.TAKEN, drop.books.available

    def _refuse_taking(self, drop: _Drop, back: TakeBack) -> TakeBackCode | None:
        known, claim = drop.taken.get(back.take_id), drop.reservations.get(back.rid)
        if known is not None:
            same = replace(known, reason=back.reason) == back
            return TakeBackCode.REPLAYED if same else TakeBackCode.CONFLICT
        if claim is None:
            return TakeBackCode.UNKNOWN
        if claim.state is not HoldState.SOLD:
            return TakeBackCode.NOT_SOLD
        before = sum(one.units for one in drop.taken.values() if one.rid == back.rid)
        if before + back.units > claim.quantity:
            return TakeBackCode.TOO_MANY
        return TakeBackCode.CLOSED if drop.state is DropState.CLOSED else None

    async def pause_drop(self, drop_id: str) -> StateCode:
        return self._change(drop_id, "pause", DropState.PAUSED)

    async def resume_drop(self, drop_id: str) -> StateCode:
        return self._change(drop_id, "resume", DropState.OPEN)

    async def close_drop(self, drop_id: str, *, only_when_due: bool = False) -> StateCode:
        drop = self._drops.get(drop_id)
        known = drop is not None and not self.is_fenced(drop_id)
        if known and drop and only_when_due and self.clock() < drop.terms.closes_ms:
            return StateCode.TOO_EARLY
        code = self._change(drop_id, "close", DropState.CLOSED)
        if known:
            self._due[self.keyspace.partition_of(drop_id)].pop(drop_id, None)
        return StateCode.REPLAYED if code is StateCode.CLOSED else code

    async def archive_drop(
        self, drop_id: str, books: Books, reservations: int, offset: str, places: int = 0
    ) -> ArchiveCode:
        drop = self._drops.get(drop_id)
        if self.is_fenced(drop_id) or drop is None:
            return ArchiveCode.FENCED if self.is_fenced(drop_id) else ArchiveCode.UNKNOWN_DROP
        if drop.state is not DropState.CLOSED or drop.books.held:
            return ArchiveCode.UNFINISHED
        line = self.line.lines.get(drop_id)
        if line and line.state in (LineState.GATHERING, LineState.OPEN):
            return ArchiveCode.UNFINISHED
        partition = self.keyspace.partition_of(drop_id)
        behind = [e for e in self.log[partition] if id_key(e.id) > id_key(offset)]
        if len(behind) > MAX_BEHIND or any(entry.drop_id == drop_id for entry in behind):
            return ArchiveCode.BEHIND
        if books != drop.books or reservations != len(drop.reservations):
            return ArchiveCode.DIFFERENT
        if places != (line.n if line else 0):
            return ArchiveCode.DIFFERENT
        del self._drops[drop_id]
        self.line.lines.pop(drop_id, None)
        self._due[partition].pop(drop_id, None)
        return ArchiveCode.ARCHIVED

    def _change(self, drop_id: str, verb: str, state: DropState) -> StateCode:
        if self.is_fenced(drop_id):
            return StateCode.FENCED
        drop = self._drops.get(drop_id)
        if drop is None:
            return StateCode.UNKNOWN_DROP
        if drop.state is DropState.CLOSED:
            return StateCode.CLOSED
        if drop.state is state:
            return StateCode.REPLAYED
        drop.state = state
        self.append(verb, drop_id)
        return StateCode.CHANGED

    async def snapshot(self, drop_id: str) -> Snapshot | None:
        drop = self._drops.get(drop_id)
        if drop is None:
            return None
        books, partition = drop.books, self.keyspace.partition_of(drop_id)
        log = self.log[partition]
        return Snapshot(
            drop_id=drop_id,
            state=drop.state,
            terms=replace(drop.terms, allotted=books.allotted),
            available=books.available,
            held=books.held,
            sold=books.sold,
            burned=books.burned,
            now_ms=self.clock(),
            log_id=log[-1].id if log else "0-0",
            epoch=self._true_epochs[partition],
            buyers=len(drop.units),
            reservations=len(drop.reservations),
        )

    async def reservation(self, rid: str) -> Reservation | None:
        drop = self._drops.get(drop_of(rid))
        return drop.reservations.get(rid) if drop else None

    async def buyers(self, drop_id: str) -> AsyncIterator[str]:
        drop = self._drops.get(drop_id)
        for name in list(drop.units) if drop else []:
            yield name

    async def due(self, partition: int, limit: int) -> list[str]:
        now = self.clock()
        ready = [(ms, member) for member, ms in self._due[partition].items() if ms <= now]
        return [member for _, member in sorted(ready)[:limit]]

    async def now_ms(self, partition: int | None = None) -> int:
        return self.clock()

    def is_fenced(self, drop_id: str) -> bool:
        partition = self.keyspace.partition_of(drop_id)
        return self.epochs.get(partition, 0) != self._true_epochs[partition]

    def drop(self, drop_id: str) -> _Drop | None:
        return self._drops.get(drop_id)

    def position(self, drop_id: str) -> tuple[str, int]:
        """The last id of a drop's log, or nothing; and the epoch."""
        partition = self.keyspace.partition_of(drop_id)
        log = self.log[partition]
        return log[-1].id if log else "", self._true_epochs[partition]

    def _opened_as(self, drop_id: str) -> DropTerms:
        log = self.log[self.keyspace.partition_of(drop_id)]
        return next(
            row.terms
            for entry in log
            if entry.drop_id == drop_id
            for row in entry.rows
            if isinstance(row, Opened)
        )

    def hold(self, drop_id: str, claims: Sequence[Reservation], *rows: LineRow) -> None:
        """Hold units for people in line, and log it with the turns that it follows from."""
        drop, due = self._drops[drop_id], self._due[self.keyspace.partition_of(drop_id)]
        for claim in claims:
            drop.reservations[claim.rid] = claim
            drop.give(claim.buyer_id, claim.quantity)
            drop.move(available=-claim.quantity, held=claim.quantity)
            due[claim.rid] = claim.expires_ms
        held = [Reserved(c.rid, c.buyer_id, c.quantity, c.price_fen, c.expires_ms) for c in claims]
        self.append("line_hold" if held else "line_serve", drop_id, *rows, *held)

    def append(self, kind: str, drop_id: str, *rows: Row, at_ms: int | None = None) -> str:
        """Log a call that changed something; the id of the entry."""
        partition = self.keyspace.partition_of(drop_id)
        log, now = self.log[partition], self.clock() if at_ms is None else at_ms
        last_ms = id_key(log[-1].id)[0] if log else 0  # ids rise, even if the clock steps back
        log.append(
            LogEntry(
                id=f"{max(now, last_ms)}-{len(log)}",
                kind=kind,
                epoch=self._true_epochs[partition],
                drop_id=drop_id,
                at_ms=now,
                books=self._drops[drop_id].books,
                rows=rows,
            )
        )
        return log[-1].id
