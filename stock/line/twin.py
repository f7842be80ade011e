"""Lines in memory: the same rules in plain Python, the specification for tests of the scripts."""

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct, field

from stock.books import Books
from stock.ids import START
from stock.line.checks import check_buyers, check_next, check_serving, commitment_of
from stock.line.model import (
    JoinCode,
    JoinOutcome,
    LeaveCode,
    LineCloseCode,
    LineMode,
    LineOpenCode,
    LineSnapshot,
    LineState,
    LineTerms,
    NextInLine,
    Place,
    ServeCode,
    ServeOutcome,
    Turn,
)
from stock.line.rows import (
    Joined,
    Left,
    LineClosed,
    LineEnded,
    LineOpened,
    LineRevived,
    LineRow,
    Served,
)
from stock.model import DropState, DropTerms, HoldState, Reservation, ReserveCode


class TwinDrop(Protocol):
    """What a line reads of its drop."""

    terms: DropTerms
    state: DropState
    books: Books

    def refusal(self, now: int) -> ReserveCode | None: ...
    def takes_one(self, rid: str, buyer_id: str) -> bool: ...


class Twin(Protocol):
    """What a line needs of the engine in memory."""

    def clock(self) -> int: ...
    def is_fenced(self, drop_id: str) -> bool: ...
    def drop(self, drop_id: str) -> TwinDrop | None: ...
    def append(self, kind: str, drop_id: str, *rows: LineRow) -> str: ...
    def hold(self, drop_id: str, claims: Sequence[Reservation], *rows: LineRow) -> None: ...
    def position(self, drop_id: str) -> tuple[str, int]: ...


class _State(Struct):
    """One line's state, stored as in Redis."""

    terms: LineTerms
    state: LineState = LineState.GATHERING
    n: int = 0
    n0: int | None = None
    serving: int = 0
    served_ms: int = 0
    left: int = 0
    seed: str = ""
    closing_id: str = ""
    places: dict[str, Place] = field(default_factory=dict)
    turns: list[Turn] = field(default_factory=list)


class TwinLine:
    """`stock.line.engine.Line` in memory."""

    def __init__(self, engine: Twin) -> None:
        self._engine = engine
        self.lines: dict[str, _State] = {}

    async def open(self, drop_id: str, terms: LineTerms) -> LineOpenCode:
        if self._engine.is_fenced(drop_id):
            return LineOpenCode.FENCED
        drop, known = self._engine.drop(drop_id), self.lines.get(drop_id)
        if drop is None:
            return LineOpenCode.UNKNOWN_DROP
        if known is not None:
            return LineOpenCode.REPLAYED if known.terms == terms else LineOpenCode.CONFLICT
        if not drop.terms.ticket_required:
            return LineOpenCode.NO_TICKETS
        refusal = drop.refusal(self._engine.clock())
        if refusal is ReserveCode.CLOSED:
            return LineOpenCode.CLOSED
        is_waitlist = terms.mode is LineMode.WAITLIST
        if refusal is not ReserveCode.NOT_OPEN and not is_waitlist:
            return LineOpenCode.TOO_LATE
        line = self.lines[drop_id] = _State(terms)
        if is_waitlist:
            line.state, line.n0 = LineState.OPEN, 0
        self._engine.append("line_open", drop_id, LineOpened(terms))
        return LineOpenCode.OPENED

    async def join(self, drop_id: str, buyers: Sequence[str]) -> list[JoinOutcome]:
        check_buyers(buyers)
        found = self._find(drop_id)
        if isinstance(found, str):
            return [JoinOutcome(JoinCode(found))] * len(buyers)
        drop, line = found
        now, first, serving = self._engine.clock(), line.n, line.serving
        can_be_had = line.terms.mode is LineMode.WAITLIST and drop.books.available > 0
        outcomes: list[JoinOutcome] = []
        rows: list[Joined] = []
        for buyer_id in buyers:
            place = line.places.get(buyer_id)
            if place is not None and not place.left:
                outcomes.append(JoinOutcome(JoinCode.REPLAYED, place.index))
            elif line.state in (LineState.GONE, LineState.VOID):
                outcomes.append(JoinOutcome(JoinCode(line.state.value.upper())))
            elif drop.refusal(now) is ReserveCode.CLOSED:
                outcomes.append(JoinOutcome(JoinCode.CLOSED))
            elif can_be_had and serving == first:
                outcomes.append(JoinOutcome(JoinCode.AVAILABLE))
            elif line.n >= line.terms.capacity:
                outcomes.append(JoinOutcome(JoinCode.FULL))
            else:
                line.places[buyer_id] = Place(line.n)
                rows.append(Joined(buyer_id, line.n))
                outcomes.append(JoinOutcome(JoinCode.JOINED, line.n))
                line.n += 1
        if rows:
            if line.n0 is None and now >= drop.terms.opens_ms:
                line.n0 = first
            self._engine.append("line_join", drop_id, *rows)
        return outcomes

    async def leave(self, drop_id: str, buyer_id: str) -> LeaveCode:
        check_buyers([buyer_id])
        found = self._find(drop_id)
        if isinstance(found, str):
            return LeaveCode(found)
        _, line = found
        place = line.places.get(buyer_id)
        if place is None:
            return LeaveCode.UNKNOWN
        if place.left:
            return LeaveCode.REPLAYED
        line.places[buyer_id] = Place(place.index, left=True)
        line.left += 1
        self._engine.append("line_leave", drop_id, Left(buyer_id, place.index))
        return LeaveCode.LEFT

    async def close(self, drop_id: str, seed: str) -> LineCloseCode:
        commitment = commitment_of(seed)
        found = self._find(drop_id)
        if isinstance(found, str):
            return LineCloseCode(found)
        drop, line = found
        now = self._engine.clock()
        if commitment != line.terms.commitment:
            return LineCloseCode.MISMATCH
        if line.closing_id or line.terms.mode is LineMode.WAITLIST:
            return LineCloseCode.REPLAYED
        refusal = drop.refusal(now)
        if line.state is LineState.VOID or refusal is ReserveCode.CLOSED:
            return LineCloseCode.CLOSED
        if refusal is ReserveCode.NOT_OPEN:
            return LineCloseCode.TOO_EARLY
        line.n0 = line.n if line.n0 is None else line.n0
        line.state, line.seed, line.served_ms = LineState.OPEN, seed, now
        line.closing_id = self._engine.append("line_close", drop_id, LineClosed(line.n0, seed))
        return LineCloseCode.OPENED

    async def serve(
        self, drop_id: str, serving: int, promised: int, per_mille: int
    ) -> ServeOutcome:
        check_serving(serving, promised, per_mille)
        found = self._find(drop_id)
        if isinstance(found, str):
            return ServeOutcome(ServeCode(found))
        drop, line = found
        now = self._engine.clock()
        code = self._serve(drop_id, drop, line, now, (serving, promised, per_mille))
        return ServeOutcome(code, now, line.serving)

    def _serve(
        self,
        drop_id: str,
        drop: TwinDrop,
        line: _State,
        now: int,
        known: tuple[int, int, int],
    ) -> ServeCode:
        serving, promised, per_mille = known
        code = self._change(drop_id, drop, line, now) or _why_not(drop, line, now, serving)
        if code is not None:
            return code
        if line.terms.mode is not LineMode.TURNS:
            return ServeCode.IDLE
        elapsed_ms = max(0, min(now - line.served_ms, 1_000))
        # -(-a // b) rounds up.
        wanted = -(-(drop.books.available - promised) * 1_000 // per_mille)
        count = min(line.n - serving, line.terms.rate * elapsed_ms // 1_000, wanted)
        if count <= 0:
            return ServeCode.IDLE
        line.serving, line.served_ms = serving + count, now
        line.turns.append(Turn(serving, line.serving, now))
        self._engine.append("line_serve", drop_id, Served(serving, line.serving))
        return ServeCode.SERVED

    async def hold(self, drop_id: str, serving: int, people: Sequence[NextInLine]) -> ServeOutcome:
        check_next(drop_id, serving, people)
        found = self._find(drop_id)
        if isinstance(found, str):
            return ServeOutcome(ServeCode(found))
        drop, line = found
        now = self._engine.clock()
        code = self._change(drop_id, drop, line, now) or _why_not(drop, line, now, serving)
        if code is not None:
            return ServeOutcome(code, now, line.serving)
        some = people[: max(0, line.n - serving)]
        if not some or not drop.books.available or line.terms.mode is LineMode.TURNS:
            return ServeOutcome(ServeCode.IDLE, now, serving)
        expires_ms, passed, left = now + line.terms.turn_ms, 0, drop.books.available
        claims: list[Reservation] = []
        for one in some:
            if len(claims) == left:
                break
            passed += 1
            is_here = line.places.get(one.buyer_id) == Place(one.index)
            if is_here and drop.takes_one(one.rid, one.buyer_id):
                price_fen = drop.terms.price_fen
                claims.append(
                    Reservation(one.rid, HoldState.HELD, one.buyer_id, 1, price_fen, expires_ms)
                )
        line.serving, line.served_ms = serving + passed, now
        line.turns.append(Turn(serving, line.serving, now))
        self._engine.hold(drop_id, claims, Served(serving, line.serving))
        rids = tuple(claim.rid for claim in claims)
        return ServeOutcome(ServeCode.SERVED, now, line.serving, expires_ms, rids)

    def _change(self, drop_id: str, drop: TwinDrop, line: _State, now: int) -> ServeCode | None:
        """End the line if nothing can return, or go on with it if something has."""
        is_over, books = drop.refusal(now) is ReserveCode.CLOSED, drop.books
        if line.state is LineState.GATHERING:
            if not is_over:
                return None
            line.state = LineState.VOID
        elif line.state is LineState.OPEN:
            if not is_over and (books.available or books.held):
                return None
            line.state = LineState.GONE
        elif line.state is LineState.GONE and not is_over and books.available:
            line.state, line.served_ms = LineState.OPEN, now
            self._engine.append("line_revive", drop_id, LineRevived(line.serving))
            return ServeCode.REVIVED
        else:
            return None
        self._engine.append("line_end", drop_id, LineEnded(line.state))
        return ServeCode(line.state.value.upper())

    async def snapshot(self, drop_id: str, after: int = -1) -> LineSnapshot | None:
        drop, line = self._engine.drop(drop_id), self.lines.get(drop_id)
        if drop is None or line is None:
            return None
        log_id, epoch = self._engine.position(drop_id)
        return LineSnapshot(
            drop_id=drop_id,
            state=line.state,
            terms=line.terms,
            n=line.n,
            n0=line.n0,
            serving=line.serving,
            served_ms=line.served_ms,
            left=line.left,
            closing_id=line.closing_id,
            seed=line.seed,
            drop_state=drop.state,
            opens_ms=drop.terms.opens_ms,
            closes_ms=drop.terms.closes_ms,
            available=drop.books.available,
            held=drop.books.held,
            now_ms=self._engine.clock(),
            log_id=log_id or START,
            epoch=epoch,
            turns=tuple(turn for turn in line.turns if turn.until > after),
        )

    async def places(self, drop_id: str, buyers: Sequence[str]) -> list[Place | None]:
        check_buyers(buyers)
        return [await self.place(drop_id, buyer_id) for buyer_id in buyers]

    async def place(self, drop_id: str, buyer_id: str) -> Place | None:
        line = self.lines.get(drop_id)
        return line.places.get(buyer_id) if line else None

    def _find(self, drop_id: str) -> tuple[TwinDrop, _State] | str:
        if self._engine.is_fenced(drop_id):
            return "FENCED"
        drop, line = self._engine.drop(drop_id), self.lines.get(drop_id)
        return "UNKNOWN_LINE" if drop is None or line is None else (drop, line)


def _why_not(drop: TwinDrop, line: _State, now: int, serving: int) -> ServeCode | None:
    """Why nobody is served."""
    refusal = drop.refusal(now)
    if line.state in (LineState.GONE, LineState.VOID):
        return ServeCode(line.state.value.upper())
    if line.state is LineState.GATHERING:
        return ServeCode.NOT_OPEN
    if refusal is not None:
        return ServeCode(refusal.value)
    return ServeCode.MOVED if line.serving != serving else None
