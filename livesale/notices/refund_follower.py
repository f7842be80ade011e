"""Follows the refunds in SQL in one worker: a gateway's answer is in no log.

Rows are found by the time of their change. A transaction may commit later than that, and clocks of
machines differ: so each look reads the last seconds again, and a place is that much earlier.
"""

from livesale.database.engine import now_ms
from livesale.database.errors import StoreUnavailable
from livesale.database.session import session
from livesale.notices import store
from livesale.notices.events import RefundChanged, RefundView
from livesale.notices.service import Notices
from livesale.notices.store import ChangedRefund
from livesale.resources import Deployment

SOURCE = "refunds"
EVERY_S = 1.0
HISTORY_MS = 600_000  # that a worker begins with
OVERLAP_MS = 10_000
PAGE = 500
MAX_KNOWN = 20_000


class RefundFollower:
    """One per worker."""

    def __init__(self, deployment: Deployment, notices: Notices) -> None:
        self._sql = deployment.sql
        self._notices = notices
        self._known: dict[str, str] = {}  # the state of each that was told, the oldest first
        self._round = -1  # of the notices, since we began
        self._from_ms = 0

    async def step(self) -> float:
        """Look once; the seconds until the next look. Raises StoreUnavailable."""
        if not self._notices.wanted.is_set():
            return EVERY_S
        try:
            await self._look()
        except StoreUnavailable:
            self._notices.give_up(SOURCE)
            raise
        return EVERY_S

    async def _look(self) -> None:
        began_ms, round_ = now_ms(), self._notices.round
        is_new = round_ != self._round
        from_ms = began_ms - HISTORY_MS if is_new else self._from_ms
        found: list[ChangedRefund] = []
        after = (from_ms, "")
        while True:
            async with session(self._sql) as connection:
                page = await store.changed_refunds(connection, after, PAGE)
            found += page
            if len(page) < PAGE:
                break
            after = page[-1].updated_ms, page[-1].refund_no
        if round_ != self._notices.round:
            return  # nobody listens any more
        if is_new:
            self._known.clear()
            self._round = round_
            self._notices.begin({SOURCE: (from_ms, 0)})
            self._notices.begun(SOURCE)
        for refund in found:
            if self._known.get(refund.refund_no) != refund.state:
                self._tell(refund)
        while len(self._known) > MAX_KNOWN:
            del self._known[next(iter(self._known))]
        self._from_ms = began_ms - OVERLAP_MS
        self._notices.recent.move(SOURCE, (self._from_ms, 0))
        self._notices.flush()

    def _tell(self, refund: ChangedRefund) -> None:
        self._known.pop(refund.refund_no, None)
        self._known[refund.refund_no] = refund.state
        view = RefundView(
            *(refund.refund_no, refund.order_id, refund.drop_id, refund.amount_fen),
            refund.state,  # type: ignore[arg-type]
        )
        notice = RefundChanged(at_ms=refund.updated_ms, refund=view)
        position = refund.updated_ms, 0
        self._notices.take(SOURCE, position, refund.buyer_id, refund.refund_no, notice)
