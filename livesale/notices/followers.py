"""The sources of one worker's notices, as its background tasks."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from livesale.notices.ending import EVERY_S, EndingHolds
from livesale.notices.log_follower import LogFollower
from livesale.notices.refund_follower import RefundFollower
from livesale.notices.service import Notices
from livesale.resources import Deployment
from livesale.tasks import Tasks

CONNECTIONS = 1  # of a worker whose buyers listen
AGAIN_S = 1.0  # the longest wait after a fault


class Followers:
    """One per worker, inside `running`."""

    def __init__(self, deployment: Deployment, notices: Notices, now_ms: Callable[[], int]) -> None:
        self._log = LogFollower(deployment, notices)
        self._refunds = RefundFollower(deployment, notices)
        self._ending = EndingHolds(deployment, notices, now_ms)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with Tasks() as tasks:
            tasks.keep("notices: log", self._log.run, longest_s=AGAIN_S)
            tasks.repeat("notices: refunds", self._refunds.step, longest_s=AGAIN_S)
            tasks.repeat("notices: ending", self._ending.step, after_s=EVERY_S, longest_s=AGAIN_S)
            yield
