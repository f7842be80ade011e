"""What operators do with a line: put one in front of a drop before it opens, or take a draft away.

Nothing can be reordered: an operator chooses the terms, before anybody has a place.
"""

from typing import Annotated

from msgspec import Meta, Struct, structs

from livesale.action_log.record import note_change
from livesale.catalogue.store import Drop, find_drop
from livesale.database.engine import now_ms
from livesale.database.session import session
from livesale.draws.lots import commitment_of, new_seed
from livesale.ledger.line_plan import DRAFT
from livesale.line import store
from livesale.line.service import no_tickets
from livesale.line.store import LineRow
from livesale.line.view import LineView
from livesale.resources import Deployment
from livesale.validation.refusals import (
    DropRefused,
    InvalidField,
    PartitionClosed,
    SalesFault,
    Unknown,
)
from stock.line.model import (
    MAX_PLACES,
    MAX_RATE,
    MAX_TURN_MS,
    MIN_TURN_MS,
    LineMode,
    LineOpenCode,
    LineState,
    LineTerms,
)
from stock.model import MAX_HOLD_MS, DropState

MAX_AGE_S = 366 * 86_400
MAX_ENTRIES = 500_000  # of a draw: two seconds of drawing
MAX_LISTED = 200
_MAY_BE_PUT = (DRAFT, LineState.GATHERING)  # again, with the same terms


class NewLine(Struct, frozen=True, forbid_unknown_fields=True):
    """The terms of a line, which everybody sees."""

    mode: Annotated[
        LineMode,
        Meta(
            description="turns: people buy in their turn. draw: those who enter before the opening "
            "are ordered by lots, and units are held for them in that order. waitlist: units that "
            "return are held for who waits, first come first served"
        ),
    ] = LineMode.TURNS
    turn_ms: Annotated[
        int,
        Meta(
            ge=MIN_TURN_MS,
            le=MAX_HOLD_MS,
            description=f"ms a turn lasts, at most {MAX_TURN_MS}; of a draw or waitlist: ms "
            "somebody has to pay",
            examples=[120_000],
        ),
    ] = 120_000
    rate_per_s: Annotated[
        int, Meta(ge=1, le=MAX_RATE, description="people whose turn begins, at most")
    ] = 200
    capacity: (
        Annotated[
            int,
            Meta(
                ge=1,
                le=MAX_PLACES,
                description=f"places, at most; of a draw at most {MAX_ENTRIES:,}. null: 1,000,000, "
                "or as many as a draw may have",
            ),
        ]
        | None
    ) = None
    account_age_s: Annotated[
        int,
        Meta(
            ge=0,
            le=MAX_AGE_S,
            description="seconds since the first login of who enters, at least",
            examples=[2_592_000],
        ),
    ] = 0

    @property
    def places(self) -> int:
        most = MAX_ENTRIES if self.mode is LineMode.DRAW else 1_000_000
        return most if self.capacity is None else self.capacity


class OperatorLine(Struct, frozen=True):
    """`state` is draft until the drop is open in Redis."""

    drop_id: str
    state: str
    mode: LineMode
    commitment: str
    turn_ms: int
    rate_per_s: int
    capacity: int
    account_age_s: int


class LineDrafts:
    """Raises Unknown (unknown_drop, unknown_line), PartitionClosed, StoreUnavailable, and the
    faults of stock.errors."""

    def __init__(self, deployment: Deployment, view: LineView) -> None:
        self._sql = deployment.sql
        self._engine = deployment.engine
        self._view = view

    async def put(self, drop_id: str, new: NewLine) -> OperatorLine:
        """Put a line in front of a drop, or change one that is a draft still.

        Raises DropRefused (no_tickets, already_open, drop_closed), SalesFault (line_opened) and
        InvalidField (turn_ms).
        """
        _check_time(new)
        at_ms = await self._engine.now_ms()
        async with session(self._sql, write=True) as connection:
            drop = await find_drop(connection, drop_id)
            if drop is None:
                raise Unknown("unknown_drop")
            before = await store.find_line(connection, drop_id)
            _check(drop, at_ms, before, new.mode)
            seed = before.seed if before else new_seed()
            age_s, numbers = new.account_age_s, (new.turn_ms, new.rate_per_s, new.places)
            terms = LineTerms(commitment_of(seed), *numbers, new.mode)
            if before is None:
                row = LineRow(drop_id, DRAFT, terms, seed, new_seed(), account_age_s=age_s)
                await store.add_draft(connection, row, now_ms())
            elif (before.terms, before.account_age_s) != (terms, age_s):
                # SQL says draft until the writer has come so far: people may have read its terms.
                if drop.state != DRAFT and await self._engine.line.snapshot(drop_id) is not None:
                    raise _opened()
                if not await store.change_draft(connection, drop_id, terms, age_s):
                    raise _opened()
            state = before.state if before else DRAFT
            after = _shown(LineRow(drop_id, state, terms, "", account_age_s=age_s))
            note_change(_shown(before) if before else None, after)
        self._view.forget(drop_id)
        if drop.state != DRAFT:
            return await self._open(drop_id, after, terms)
        return after

    async def find(self, drop_id: str) -> OperatorLine:
        async with session(self._sql) as connection:
            found = await store.find_line(connection, drop_id)
        if found is None:
            raise Unknown("unknown_line")
        return _shown(found)

    async def list(self, campaign_id: str, drop_id: str) -> "list[OperatorLine]":
        """The lines of a campaign or a drop, at most MAX_LISTED; of any without both."""
        async with session(self._sql) as connection:
            found = await store.list_lines(
                connection, campaign_id=campaign_id, drop_id=drop_id, limit=MAX_LISTED
            )
        return [_shown(row) for row in found]

    async def remove(self, drop_id: str) -> None:
        """Take a draft away. Raises SalesFault (line_opened)."""
        async with session(self._sql, write=True) as connection:
            before = await store.find_line(connection, drop_id)
            if before is None:
                raise Unknown("unknown_line")
            drop = await find_drop(connection, drop_id)
            # Of an opened drop it may be open in Redis already.
            is_open = drop is not None and drop.state != DRAFT
            if is_open or not await store.remove_draft(connection, drop_id):
                raise _opened()
            note_change(_shown(before), None)
        self._view.forget(drop_id)

    async def _open(self, drop_id: str, draft: OperatorLine, terms: LineTerms) -> OperatorLine:
        code = await self._engine.line.open(drop_id, terms)
        if code is LineOpenCode.FENCED:
            raise PartitionClosed
        if code is LineOpenCode.CONFLICT:
            raise _opened()
        if code is LineOpenCode.TOO_LATE:
            raise _too_late()
        is_open = terms.mode is LineMode.WAITLIST
        state = (LineState.OPEN if is_open else LineState.GATHERING).value
        opened = code in (LineOpenCode.OPENED, LineOpenCode.REPLAYED)
        return structs.replace(draft, state=state if opened else DRAFT)


def _check_time(new: NewLine) -> None:
    if new.mode is LineMode.TURNS and new.turn_ms > MAX_TURN_MS:
        raise InvalidField("turn_ms", f"A turn lasts at most {MAX_TURN_MS} ms.")
    if new.mode is LineMode.DRAW and new.places > MAX_ENTRIES:
        raise InvalidField("capacity", f"A draw has at most {MAX_ENTRIES:,} entries.")


def _check(drop: Drop, at_ms: int, before: LineRow | None, mode: LineMode) -> None:
    if not drop.ticket_required or not drop.price_fen:
        raise no_tickets()
    if drop.state == DropState.CLOSED:
        raise DropRefused("drop_closed", "The drop is closed.")
    may_be = _MAY_BE_PUT if mode is not LineMode.WAITLIST else (DRAFT, LineState.OPEN)
    if before is not None and before.state not in may_be:
        raise _opened()
    # A room says when its draft opens, by the countdown.
    is_set = drop.state != DRAFT or drop.room_id is None
    if is_set and drop.opens_ms <= at_ms and mode is not LineMode.WAITLIST:
        raise _too_late()


def _opened() -> SalesFault:
    return SalesFault("line_opened", "People may have places in it: its terms are fixed.")


def _too_late() -> DropRefused:
    return DropRefused("already_open", "The drop is open: nobody could gather before it.")


def _shown(row: LineRow) -> OperatorLine:
    terms = row.terms
    return OperatorLine(
        row.drop_id,
        row.state,
        terms.mode,
        terms.commitment,
        terms.turn_ms,
        terms.rate,
        terms.capacity,
        row.account_age_s,
    )
