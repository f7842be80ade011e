"""What people see of a line: read from Redis at most every 250 ms, for any number of readers."""

import math

from msgspec import Struct, field

from livesale.catalogue.view import CatalogueView
from livesale.database.errors import StoreUnavailable
from livesale.database.session import session
from livesale.draws.order import Order
from livesale.line.drawn import DrawnOrder
from livesale.line.line_draws import LineDraws
from livesale.line.store import LineRow, find_line
from livesale.resources import Deployment
from livesale.tasks.ttl_cache import TtlCache
from livesale.validation.refusals import Unknown
from stock.line.model import LineMode, LineSnapshot, LineState, Turn

ROW_S = 1.0
LIVE_S = 0.25
KNOWN_TURNS = 20  # positions served before their purchases say anything
RATE_MS = 60_000  # what the speed of a line is measured over


class LiveLine(Struct):
    """A line of this process: the last snapshot, all turns so far, and the order."""

    snapshot: LineSnapshot
    turns: list[Turn] = field(default_factory=list)
    order: Order | DrawnOrder | None = None
    remaining: int = 0  # units, without those that living turns are expected to take
    per_turn: float = 1.0  # units that a turn takes, as far as it is known
    left_here: bool = False  # somebody left by this process, since the snapshot or before

    @property
    def gives_turns(self) -> bool:
        return self.snapshot.terms.mode is LineMode.TURNS

    @property
    def in_turn(self) -> int:
        """People whose turn lives."""
        since_ms = self.snapshot.now_ms - self.snapshot.terms.turn_ms
        return sum(turn.until - turn.first for turn in self.turns if turn.at_ms > since_ms)

    @property
    def somebody_left(self) -> bool:
        """Then a signed place may be one that was left."""
        return self.left_here or self.snapshot.left > 0

    def position_of(self, index: int) -> int | None:
        """None while nobody can know it."""
        return self.order.position_of(index) if self.order else None

    def turn_of(self, position: int) -> Turn | None:
        """The turn of a position that was served."""
        for turn in reversed(self.turns):
            if turn.first <= position < turn.until:
                return turn
        return None

    def others(self, index: int) -> int:
        """The people who count as ahead of a place while nobody knows a position.

        Before the opening half of the people are, on average. In a draw everybody has the same
        chance. The snapshot may be older than this place.
        """
        people = max(self.snapshot.n, index + 1) - self.snapshot.left
        is_draw = self.snapshot.terms.mode is LineMode.DRAW
        return max(0, people - 1) if is_draw else people // 2

    def chance(self, ahead: int) -> float:
        """Of getting a unit behind so many people."""
        if self.snapshot.state in (LineState.GONE, LineState.VOID):
            return 0.0
        return min(1.0, self.remaining / ((ahead + 1) * self.per_turn))

    def eta_ms(self, ahead: int) -> list[int] | None:
        """The range of time until a turn, by the speed of the last minute; None: unknown, or
        nothing is left but what may return."""
        if self.remaining == 0:
            return None
        now_ms = self.snapshot.now_ms
        since = [turn for turn in self.turns if turn.at_ms > now_ms - RATE_MS]
        served = sum(turn.until - turn.first for turn in since)
        if not served or self.snapshot.state is not LineState.OPEN:
            return None
        took_ms = max(1_000, now_ms - since[0].at_ms)
        expected = (ahead + 1) * took_ms / served
        return [int(expected * 0.7), int(expected * 1.6) + 1_000]


class LineView:
    """One per process. Raises StoreUnavailable, and the faults of stock.errors."""

    def __init__(self, deployment: Deployment, catalogue: CatalogueView) -> None:
        self._sql = deployment.sql
        self._line = deployment.engine.line
        self._catalogue = catalogue
        self._draws = LineDraws(deployment)
        self._rows = TtlCache(self._load_row, ttl_s=ROW_S, stale_on=(StoreUnavailable,))
        self._live = TtlCache(self._load_live, ttl_s=LIVE_S)
        self._known: dict[str, LiveLine] = {}

    async def row(self, drop_id: str) -> LineRow | None:
        """The line in SQL, at most a second old; None for a drop without one."""
        found = await self._rows.get(drop_id)
        return None if found is None or _never_opened(found) else found

    async def row_of_open(self, drop_id: str) -> LineRow:
        """The line in SQL, of one that Redis has. Raises Unknown (unknown_line).

        SQL had it before Redis, so what found none is a look from before: who enters now must not
        go by it.
        """
        found = await self.row(drop_id)
        if found is None:
            self._rows.forget(drop_id)
            found = await self.row(drop_id)
        if found is None:
            raise Unknown("unknown_line")
        return found

    async def live(self, drop_id: str) -> LiveLine | None:
        """The line in Redis, at most 250 ms old; None if it is not open there."""
        return await self._live.get(drop_id)

    async def shown(self, drop_id: str) -> LiveLine:
        """Raises Unknown (unknown_drop, unknown_line)."""
        found = await self.live(drop_id)
        if found is None:
            await self._catalogue.known(drop_id)
            raise Unknown("unknown_line")
        return found

    async def challenge(self, drop_id: str) -> int:
        """The difficulty of the drop's proof of work; 0 for none."""
        drop = await self._catalogue.terms(drop_id)
        return drop.challenge if drop is not None else 0

    def note_leave(self, drop_id: str) -> None:
        known = self._known.get(drop_id)
        if known is not None:
            known.left_here = True

    def forget(self, drop_id: str) -> None:
        self._rows.forget(drop_id)
        self._live.forget(drop_id)

    async def _load_row(self, drop_id: str) -> LineRow | None:
        async with session(self._sql) as connection:
            return await find_line(connection, drop_id)

    async def _load_live(self, drop_id: str) -> LiveLine | None:
        known = self._known.get(drop_id)
        after = known.snapshot.serving if known else -1
        snapshot = await self._line.snapshot(drop_id, after)
        if known and (snapshot is None or _is_another(known.snapshot, snapshot)):
            snapshot, known = await self._line.snapshot(drop_id), None  # it was recovered
        if snapshot is None:
            self._known.pop(drop_id, None)
            return None
        live = LiveLine(snapshot, known.turns if known else [], known.order if known else None)
        live.turns += snapshot.turns
        live.left_here = bool(known and known.left_here)
        if live.order is None and snapshot.state is not LineState.GATHERING:
            live.order = await self._order(snapshot)
        await self._learn(live)
        self._known[drop_id] = live
        if len(self._known) > 1_000:
            del self._known[next(iter(self._known))]
        return live

    async def _order(self, snapshot: LineSnapshot) -> Order | DrawnOrder | None:
        if snapshot.terms.mode is LineMode.DRAW:
            return await self._draws.order(snapshot.drop_id) if snapshot.closing_id else None
        is_known = snapshot.closing_id or snapshot.terms.mode is LineMode.WAITLIST
        early = snapshot.n0 or 0
        return Order(snapshot.seed, early, snapshot.closing_id) if is_known else None

    async def _learn(self, live: LiveLine) -> None:
        """How many units a turn takes, and how many are left for who has none yet.

        Who has bought in a turn that lives is not known here: each of them counts as a buyer, so
        the chance is rather too small than too great.
        """
        snapshot = live.snapshot
        live.remaining = snapshot.available
        terms = await self._catalogue.terms(snapshot.drop_id)
        if terms is None:
            return
        taken = max(0, terms.allotted - snapshot.available)
        ended = snapshot.serving - live.in_turn if live.gives_turns else snapshot.serving
        if ended >= KNOWN_TURNS:
            live.per_turn = max(0.05, taken / ended)
        if live.gives_turns:
            promised = math.ceil(live.per_turn * snapshot.serving - taken)
            live.remaining = max(0, snapshot.available - max(0, promised))


def _is_another(before: LineSnapshot, now: LineSnapshot) -> bool:
    changed = (now.epoch, now.closing_id) != (before.epoch, before.closing_id)
    return now.serving < before.serving or (changed and bool(before.closing_id))


def _never_opened(row: LineRow) -> bool:
    """A line whose sale began before it could open: the drop sells by tickets alone."""
    return row.state == LineState.VOID
