"""Whether there is a line now, for pages that hold a crowd in front of the shop."""

from msgspec import Struct

from livesale.catalogue.view import CatalogueView
from livesale.database.errors import StoreUnavailable
from livesale.database.session import session
from livesale.line.store import due_lines
from livesale.line.view import LineView
from livesale.resources import Deployment
from livesale.settings import Settings
from livesale.tasks.clock import Clock
from livesale.tasks.ttl_cache import TtlCache
from stock.errors import BooksBroken, OutcomeUnknown, Unreachable
from stock.line.model import LineState

FRESH_S = 1.0
RETRY_MS = 2_000  # between two looks of a page that waits
LAST_MS = 5_000  # before an opening: with an old answer of a cache, too, the early are in by then
MAX_LINES = 20
_WAITS = (LineState.GATHERING, LineState.OPEN)
_FAULTS = (StoreUnavailable, Unreachable, OutcomeUnknown, BooksBroken)


class DoorLine(Struct, frozen=True):
    """A line that people wait for or in."""

    drop_id: str
    title: str
    state: LineState
    opens_ms: int
    people: int
    serving: int
    available: int
    held: int


class Door(Struct, frozen=True):
    """`holds`: a crowd is near. Choose a moment at random within `spread_ms` from now, once, and
    enter then. Ask again after `retry_after_ms` meanwhile."""

    shop: str
    holds: bool
    spread_ms: int
    retry_after_ms: int
    lines: list[DoorLine]
    server_ms: int


class DoorView:
    """One per process. SQL and Redis are read once a second for any number of readers."""

    def __init__(
        self, deployment: Deployment, catalogue: CatalogueView, lines: LineView, clock: Clock
    ) -> None:
        self._sql = deployment.sql
        self._settings = deployment.settings
        self._catalogue = catalogue
        self._lines = lines
        self._clock = clock
        self._seen = TtlCache(self._load, ttl_s=FRESH_S, stale_on=_FAULTS)

    async def show(self) -> Door:
        """The last one known while a store is away. Raises StoreUnavailable, and the faults of
        stock.errors, if there was none."""
        lines = await self._seen.get("") or []
        return decide(lines, self._clock.now_ms(), self._settings)

    async def _load(self, _key: str) -> list[DoorLine]:
        async with session(self._sql) as connection:
            due = await due_lines(connection, MAX_LINES)
        found: list[DoorLine] = []
        for one in due:
            line = await self._lines.live(one.line.drop_id)
            if line is None or line.snapshot.state not in _WAITS:
                continue
            drop = await self._catalogue.terms(one.line.drop_id)
            seen = line.snapshot
            found.append(
                DoorLine(
                    drop_id=seen.drop_id,
                    title=drop.title if drop else "",
                    state=seen.state,
                    opens_ms=seen.opens_ms,
                    people=seen.n - seen.left,
                    serving=seen.serving,
                    available=seen.available,
                    held=seen.held,
                )
            )
        return found


def decide(lines: list[DoorLine], now_ms: int, settings: Settings) -> Door:
    """It holds around an opening. The early are in before it, so that the lots count them all."""
    around_ms = settings.door.around_s * 1_000
    near = [line for line in lines if abs(line.opens_ms - now_ms) <= around_ms]
    spread_ms = settings.door.spread_s * 1_000
    ahead_ms = [line.opens_ms - now_ms for line in near if line.opens_ms > now_ms]
    if ahead_ms:
        spread_ms = max(0, min(spread_ms, min(ahead_ms) - LAST_MS))
    return Door(
        shop=settings.shop.name,
        holds=bool(near),
        spread_ms=spread_ms if near else 0,
        retry_after_ms=RETRY_MS,
        lines=near,
        server_ms=now_ms,
    )
