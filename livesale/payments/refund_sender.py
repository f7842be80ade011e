"""Sends refunds until the gateway accepts them, then asks until the money is back.

It asks about failed refunds every six hours: a person may have handled them at the gateway.

A refund keeps its number in all attempts, so the gateway pays it once. We schedule the next attempt
before we send: neither a crash in between nor a second keeper can cause a storm.
"""

import asyncio

import structlog

from livesale.database.engine import now_ms
from livesale.database.errors import StoreUnavailable
from livesale.database.session import session
from livesale.ledger import refunds
from livesale.ledger.refund_states import ACCEPTED, FAILED
from livesale.ledger.refunds import Refund
from livesale.payments.errors import GatewayFault
from livesale.payments.gateway import PayGateway, RefundAnswer, RefundOrder, RefundState
from livesale.resources import Deployment
from livesale.telemetry.workers import KeeperMetrics

PAGE = 50
AT_ONCE = 4  # WeChat allows 150 a second, but only 6 failing ones
FIRST_MS = 2_000
LONGEST_MS = 600_000
ASK_FIRST_MS = (
    30_000  # after acceptance: refunds to balances are immediate, to cards they take days
)
ASK_LONGEST_MS = 6 * 3_600_000

log = structlog.get_logger(__name__)


class RefundSender:
    def __init__(self, deployment: Deployment, gateway: PayGateway, metrics: KeeperMetrics) -> None:
        self._sql = deployment.sql
        self._gateway = gateway
        self._metrics = metrics

    async def step(self, at_ms: int | None = None) -> int:
        """Advance up to a page of refunds by one step; returns how many.

        `at_ms` is now unless given. Raises StoreUnavailable.
        """
        at_ms = now_ms() if at_ms is None else at_ms
        async with session(self._sql) as connection:
            found = await refunds.due_refunds(connection, at_ms, PAGE)
        at_once = asyncio.Semaphore(AT_ONCE)
        await asyncio.gather(*(self._take_on(refund, at_ms, at_once) for refund in found))
        await self._measure(at_ms)
        return len(found)

    async def _take_on(self, refund: Refund, at_ms: int, at_once: asyncio.Semaphore) -> None:
        try:
            async with at_once:
                await self._send(refund, at_ms)
        except StoreUnavailable as fault:
            # It was postponed before it was sent, or is still due: it will be retried.
            self._metrics.refund_faults.inc()
            log.warning("SQL is away: a refund waits", refund_no=refund.refund_no, why=str(fault))

    async def _send(self, refund: Refund, at_ms: int) -> None:
        async with session(self._sql, write=True) as connection:
            next_ms = at_ms + _wait_ms(refund)
            if not await refunds.claim_refund(connection, refund, next_ms, at_ms):
                return  # another keeper has it
        try:
            answer = await self._ask(refund)
        except GatewayFault as fault:
            self._metrics.refund_faults.inc()
            log.warning("a refund was not sent", refund_no=refund.refund_no, reason=str(fault))
            async with session(self._sql, write=True) as connection:
                await refunds.note_error(connection, refund.refund_no, str(fault), at_ms)
            return
        if answer is not None:
            await self._note(refund, answer, at_ms)

    async def _ask(self, refund: Refund) -> RefundAnswer | None:
        if refund.state in (ACCEPTED, FAILED):
            answer = await self._gateway.query_refund(refund.refund_no)
            if answer is not None or refund.state == FAILED:
                return answer  # never send a failed refund again automatically
        return await self._gateway.refund(
            RefundOrder(
                refund.refund_no,
                refund.payment_id,
                refund.order_id,
                refund.amount_fen,
                refund.paid_fen,
            )
        )

    async def _note(self, refund: Refund, answer: RefundAnswer, at_ms: int) -> None:
        failed = answer.state is RefundState.FAILED
        async with session(self._sql, write=True) as connection:
            moved = await refunds.move_refund(
                connection,
                refund.refund_no,
                answer.state.value,
                at_ms,
                gateway_no=answer.gateway_no,
                error=answer.detail if failed else "",
                next_ms=at_ms + (ASK_LONGEST_MS if failed else ASK_FIRST_MS),
            )
        if moved is None:
            return
        tell = log.error if failed else log.info
        tell(
            "a refund moved on",
            refund_no=refund.refund_no,
            order_id=refund.order_id,
            amount_fen=refund.amount_fen,
            state=moved,
        )

    async def _measure(self, at_ms: int) -> None:
        async with session(self._sql) as connection:
            waiting = await refunds.count_waiting(connection)
            failed = await refunds.count_failed(connection)
        self._metrics.refunds_waiting.set(waiting.count)
        self._metrics.refunds_failed.set(failed)
        age_s = max(0, at_ms - waiting.oldest_ms) / 1000 if waiting.count else 0
        self._metrics.refund_oldest_s.set(age_s)


def _wait_ms(refund: Refund) -> int:
    """The time until the next try, if this one fails: doubles, bounded."""
    doubled: int = 2 ** min(refund.tries, 16)
    if refund.state == FAILED:
        return ASK_LONGEST_MS
    if refund.state == ACCEPTED:
        return min(ASK_LONGEST_MS, ASK_FIRST_MS * doubled)
    return min(LONGEST_MS, FIRST_MS * doubled)
