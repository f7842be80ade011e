"""What operators see of a line while it runs: its length, whom it has served, who did not come, and
what it tells its people.

Of turns the keeper knows what became of them: it learns from it how many to serve. It keeps the
count in Redis, for all workers. Of units that are held for people, SQL knows.
"""

import msgspec
from msgspec import Struct
from redis.asyncio import Redis
from redis.exceptions import RedisError

from livesale.database.session import session
from livesale.line import store
from livesale.line.admission import Tally
from livesale.line.view import RATE_MS, LineView, LiveLine
from livesale.resources import Deployment
from livesale.tasks.ttl_cache import TtlCache
from stock.errors import Unreachable
from stock.keyspace import Keyspace
from stock.line.model import LineMode, LineState
from stock.model import HoldState

TALLY_S = 1.0
KEEP_MS = 7 * 86_400_000  # a line that is gone is counted no more: its last count stays

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Tally).decode


class Told(Struct, frozen=True):
    """What a buyer with so many people ahead is told now."""

    ahead: int
    chance: float
    eta_ms: list[int] | None


class LineNow(Struct, frozen=True):
    """A line as it is now. `waiting` are positions that have not been served; some of their people
    may have left. `served_lately` were served in the last minute.

    Of a line that gives turns: `in_turn` are people whose turn lives and who have not bought yet,
    `bought` turns in which somebody reserved, `missed` turns that passed without it (`left` before
    it, too). Of a line that holds units: units that are held and not paid, paid ones, and those
    that were not paid in time or given back. All as of `counted_ms`; null: nobody has counted yet.

    `told` is for the next, for the middle and for the last in line; before the opening everybody is
    told the same. `entries` is the length of the list of a draw that is drawn.
    """

    drop_id: str
    mode: LineMode
    state: LineState
    people: int
    left: int
    waiting: int
    served: int
    served_lately: int
    in_turn: int | None
    bought: int | None
    missed: int | None
    counted_ms: int | None
    available: int
    held: int
    told: list[Told]
    entries: int | None
    opens_ms: int
    server_ms: int


class LineWatch:
    """One per process. Raises Unknown (unknown_drop, unknown_line), StoreUnavailable, and the
    faults of stock.errors."""

    def __init__(self, deployment: Deployment, view: LineView) -> None:
        self._deployment = deployment
        self._view = view
        self._held: TtlCache[Tally] = TtlCache(self._count_held, ttl_s=TALLY_S)

    async def now(self, drop_id: str) -> LineNow:
        live = await self._view.shown(drop_id)
        line = live.snapshot
        if live.gives_turns:
            tally = await self._count_turns(live)
        else:
            tally = await self._held.get(drop_id)
        row = await self._view.row(drop_id)
        lately_ms = line.now_ms - RATE_MS
        lately = [turn for turn in live.turns if turn.at_ms > lately_ms]
        return LineNow(
            drop_id=drop_id,
            mode=line.terms.mode,
            state=line.state,
            people=line.n - line.left,
            left=line.left,
            waiting=line.n - line.serving,
            served=line.serving,
            served_lately=sum(turn.until - turn.first for turn in lately),
            in_turn=tally.in_turn if tally else None,
            bought=tally.bought if tally else None,
            missed=tally.missed if tally else None,
            counted_ms=tally.at_ms if tally else None,
            available=line.available,
            held=line.held,
            told=_told(live),
            entries=row.entries if row is not None and row.list_hash else None,
            opens_ms=line.opens_ms,
            server_ms=line.now_ms,
        )

    async def _count_turns(self, live: LiveLine) -> Tally | None:
        """The keeper's last count; nothing before its first one."""
        line = live.snapshot
        if not line.serving:
            return Tally(line.now_ms, 0, 0, 0)
        try:
            key = self._deployment.keyspace.line_tally(line.drop_id)
            text = await self._deployment.redis.get(key)
        except (RedisError, OSError) as error:
            raise Unreachable(str(error)) from error
        if text is None:
            return None
        try:
            found = _decode(text)
        except msgspec.MsgspecError:  # of another release
            return None
        if line.state is LineState.GONE:  # nothing can be bought in the turns that still live
            return Tally(found.at_ms, 0, found.bought, found.missed + found.in_turn)
        return found

    async def _count_held(self, drop_id: str) -> Tally:
        at_ms = await self._deployment.engine.now_ms()
        async with session(self._deployment.sql) as connection:
            counts = await store.count_held(connection, drop_id)
        held, sold = counts.get(HoldState.HELD.value, 0), counts.get(HoldState.SOLD.value, 0)
        return Tally(at_ms, held, sold, sum(counts.values()) - held - sold)


async def share(redis: Redis, keyspace: Keyspace, drop_id: str, tally: Tally) -> None:
    """Give the keeper's count to all workers. Raises RedisError or OSError."""
    await redis.set(keyspace.line_tally(drop_id), _encode(tally).decode(), px=KEEP_MS)


def _told(live: LiveLine) -> list[Told]:
    line = live.snapshot
    if line.state is LineState.GATHERING:
        places = [live.others(0)] if line.n > line.left else []
    else:
        last = line.n - line.serving - 1
        places = sorted({0, last // 2, last}) if last >= 0 else []
    return [Told(ahead, round(live.chance(ahead), 3), live.eta_ms(ahead)) for ahead in places]
