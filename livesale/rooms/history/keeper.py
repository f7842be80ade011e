"""The keeper copies comments to SQL, and forgets those that are old enough."""

import asyncio

from livesale.database.engine import now_ms
from livesale.database.session import session
from livesale.resources import Deployment
from livesale.rooms.history import store
from livesale.rooms.history.copying import CommentCopy
from livesale.rooms.states import ON_AIR, RoomState
from livesale.tasks import Tasks

LOOK_S = 1.0  # between two looks at the rooms on air
PAGE = 500
# In these rooms little is said: each fifth look reads one page of them.
QUIET_EVERY = 5
QUIET = (RoomState.SCHEDULED, RoomState.BANNED)
QUIET_PAGE = 100
FORGET_EVERY_S = 600.0
FORGET_PAGE = 1_000


class CommentKeeper:
    """Call `run`; it ends when `stop` is set."""

    def __init__(self, deployment: Deployment, _registry: object = None) -> None:
        self._sql = deployment.sql
        live = deployment.settings.live
        self._keep_comments_ms = live.keep_comments_s * 1000
        self._keep_ms = live.keep_s * 1000
        self._copy = CommentCopy(deployment)
        self._looks = 0
        self._before = ""  # where the next page of quiet rooms begins,
        self._after = (0, "")  # and of those that ended

    async def run(self, stop: asyncio.Event) -> None:
        async with Tasks(stop) as tasks:
            tasks.repeat("comments: copy", self._keep_copying)
            tasks.repeat("comments: forget", self._forget, after_s=FORGET_EVERY_S)

    async def _keep_copying(self) -> float:
        self._looks += 1
        more = await self.step(quiet=self._looks % QUIET_EVERY == 1)
        return 0.0 if more else LOOK_S

    async def step(self, *, quiet: bool = True) -> bool:
        """Copy what was said; whether a room may have more. `quiet`: in quiet rooms, too.

        Raises StoreUnavailable or Unreachable.
        """
        more, page = 0, await self._rooms(ON_AIR, "", PAGE)
        while page:
            more = max(more, await self._copy.copy(page))
            page = await self._rooms(ON_AIR, page[-1], PAGE) if len(page) == PAGE else []
        if quiet:
            page = await self._rooms(QUIET, self._before, QUIET_PAGE)
            self._before = page[-1] if len(page) == QUIET_PAGE else ""
            await self._copy.copy(page)
            await self._copy.copy(await self._ended(), over=True)
        return more >= PAGE

    async def _rooms(self, states: tuple[RoomState, ...], before: str, limit: int) -> list[str]:
        async with session(self._sql) as connection:
            return await store.rooms_in(connection, states, before, limit)

    async def _ended(self) -> list[str]:
        """The next page of rooms that Redis may still have."""
        first = (now_ms() - self._keep_ms, "")
        async with session(self._sql) as connection:
            page = await store.ended_rooms(connection, max(self._after, first), QUIET_PAGE)
        self._after = page[-1] if len(page) == QUIET_PAGE else (0, "")
        return [room_id for _, room_id in page]

    async def _forget(self) -> float:
        await self.forget(now_ms())
        return FORGET_EVERY_S

    async def forget(self, at_ms: int) -> int:
        """Delete what is too old; how many comments went. Raises StoreUnavailable."""
        gone = 0
        while True:
            async with session(self._sql, write=True) as connection:
                page = await store.forget_spoken(
                    connection, at_ms - self._keep_comments_ms, FORGET_PAGE
                )
            gone += page
            if page < FORGET_PAGE:
                return gone
