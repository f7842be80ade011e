"""Sends each reminder once, on time: part of the keeper's process.

A keeper claims a page of reminders in SQL before it sends the first message, and settles it after
the last one. No keeper sends reminders that another has claimed, so any number may run. If a keeper
dies in between, its claimed reminders may have been sent or not: they become `unsure` and are never
sent again.
"""

import asyncio
import secrets
from collections.abc import Sequence

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge

from livesale.database.errors import StoreUnavailable
from livesale.database.session import session
from livesale.reminders import store
from livesale.reminders.messages import (
    AT_ONCE,
    Delivery,
    Message,
    Messenger,
    MessengerAway,
    Outcome,
)
from livesale.reminders.store import DROP, HOLD, ROOM, Claimed, Target
from livesale.reminders.timing import Timing, Verdict
from livesale.resources import Deployment
from livesale.settings.message_texts import fill
from livesale.tasks import Tasks
from livesale.tasks.clock_steps import ClockWatch

IDLE_S = 1.0
TARGETS = 500  # targets in one query
PAGE = 64  # reminders in one claim: so many may become unsure if a keeper is killed
FIRST_MS = 2_000  # first pause before a retry for one person; doubles each time
LONGEST_MS = 60_000
LEASE_S = 60.0  # at least; plus eight timeouts of WeChat, longer than any page takes
SETTLE_TRIES = 3
TIDY_S = 10.0
FORGOTTEN = 500  # a step
BUSY_FIRST_S = 1.0
BUSY_LONGEST_S = 30.0

log = structlog.get_logger(__name__)


class ReminderMetrics:
    """Metrics of the sender."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.ended = Counter(
            "livesale_reminders_total",
            "Finished reminders: sent, failed (by the person), unsure, missed or cancelled",
            ["state"],
            registry=registry,
        )
        self.waiting = Gauge(
            "livesale_reminders_waiting", "Reminders that are waiting to be sent", registry=registry
        )
        self.faults = Counter(
            "livesale_reminder_faults_total",
            "Messages or steps that failed and are retried: busy, wrong (settings), "
            "away (WeChat or its token), or fault",
            ["why"],
            registry=registry,
        )


class ReminderSender:
    """Call `run`; it ends when `stop` is set."""

    def __init__(
        self,
        deployment: Deployment,
        messenger: Messenger,
        registry: CollectorRegistry | None = None,
    ) -> None:
        settings = deployment.settings
        self._deployment = deployment
        self._sql = deployment.sql
        self._clock = ClockWatch(deployment.engine)
        self._messenger = messenger
        self._metrics = ReminderMetrics(registry or CollectorRegistry())
        self._settings = settings.reminders
        self._timing = Timing(settings.reminders)
        self._lease_ms = round(LEASE_S * 1000) + 8 * settings.wechat.timeout_ms
        self._templates = {
            ROOM: (self._settings.room_template_id, self._settings.room_texts),
            DROP: (self._settings.drop_template_id, self._settings.drop_texts),
            HOLD: (self._settings.hold_template_id, self._settings.hold_texts),
        }
        self._pages = {
            ROOM: self._settings.room_page,
            DROP: self._settings.drop_page,
            HOLD: self._settings.hold_page,
        }
        self._probing = False  # WeChat refused the last page: probe with one message, not a page
        self._put_off: dict[tuple[str, str], int] = {}  # (kind, target) → pause until, in ms
        self._stop = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Run steps until `stop`. Faults do not end it: unsent reminders wait."""
        self._stop = stop
        async with self._messenger.running(), Tasks(stop) as tasks:
            tasks.repeat("reminders: tidy", self._keep_tidy)
            tasks.repeat(
                "reminders: send",
                self._keep_sending,
                first_s=BUSY_FIRST_S,
                longest_s=BUSY_LONGEST_S,
            )

    async def _keep_sending(self) -> float:
        try:
            more = await self.step()
        except MessengerAway:
            self._metrics.faults.labels("away").inc()
            raise
        except Exception:
            self._metrics.faults.labels("fault").inc()
            raise
        return 0.0 if more else IDLE_S

    async def step(self) -> bool:
        """Check all targets once; send up to a page for each that is due.

        Returns whether more reminders are due. Raises MessengerAway if WeChat accepts nothing,
        StoreUnavailable or StockError.
        """
        look = await self._clock.look()
        if look.doubted:
            return False
        now_ms = look.now_ms
        self._put_off = {key: ms for key, ms in self._put_off.items() if ms > now_ms}
        more = False
        for kind, (template_id, _) in self._templates.items():
            after = "" if template_id else None
            while after is not None:
                async with session(self._sql) as connection:
                    found = await store.wanted_targets(connection, kind, after, TARGETS)
                for target in found:
                    more = await self._see_to(target, now_ms) or more
                after = found[-1].target_id if len(found) == TARGETS else None
        return more

    async def tidy(self) -> None:
        """Give up the claims of dead keepers, delete old reminders, and count."""
        look = await self._clock.look()
        if look.doubted:
            return
        now_ms = look.now_ms
        async with session(self._sql, write=True) as connection:
            unsure = await store.give_up(connection, now_ms - self._lease_ms, now_ms)
        if unsure:
            self._metrics.ended.labels(store.UNSURE).inc(unsure)
            log.error("a keeper was killed while it sent reminders", unsure=unsure)
        keep_ms = self._settings.keep_s * 1000
        async with session(self._sql, write=True) as connection:
            await store.forget(connection, now_ms - keep_ms, FORGOTTEN)
        async with session(self._sql) as connection:
            self._metrics.waiting.set(await store.count_waiting(connection))

    async def _keep_tidy(self) -> float:
        await self.tidy()
        return TIDY_S

    async def _see_to(self, target: Target, now_ms: int) -> bool:
        """Do one step of a target; returns whether more is due at once."""
        match self._timing.judge(target, now_ms):
            case Verdict.NOT_YET:
                return False
            case Verdict.DUE:
                return await self._send_page(target)
            case Verdict.MISSED:
                return await self._end(target, store.MISSED, now_ms)
            case Verdict.CANCELLED:
                return await self._end(target, store.CANCELLED, now_ms)

    async def _end(self, target: Target, state: str, now_ms: int) -> bool:
        async with session(self._sql, write=True) as connection:
            ended = await store.end_waiting(connection, target, state, now_ms, TARGETS)
        self._metrics.ended.labels(state).inc(ended)
        return ended == TARGETS

    async def _send_page(self, target: Target) -> bool:
        """Claim, send and settle a page of reminders; returns whether it was full."""
        if (target.kind, target.target_id) in self._put_off or self._stop.is_set():
            return False
        await self._messenger.prepare()  # before the claim
        look = await self._clock.look()  # the clock may have stepped since
        if look.doubted:
            return False
        now_ms = look.now_ms
        claim, most = secrets.token_hex(12), 1 if self._probing else PAGE
        async with session(self._sql, write=True) as connection:
            # Read it again: it may have been moved, banned or closed since.
            fresh = await store.find_target(connection, target.kind, target.target_id)
            if fresh is None or self._timing.judge(fresh, now_ms) is not Verdict.DUE:
                return False
            claimed = await store.claim(connection, fresh, claim, now_ms, most)
        if not claimed:
            return False
        at_once = asyncio.Semaphore(AT_ONCE)
        deliveries = await asyncio.gather(*(self._send(fresh, one, at_once) for one in claimed))
        await self._settle(fresh, claim, list(zip(claimed, deliveries, strict=True)), now_ms)
        return len(claimed) == most

    async def _send(
        self, target: Target, claimed: Claimed, at_once: asyncio.Semaphore
    ) -> Delivery | None:
        """Send one message; None if we stop before it begins."""
        if claimed.openid is None:
            return Delivery(Outcome.REFUSED, "WeChat does not know the buyer")
        template_id, texts = self._templates[target.kind]
        message = Message(
            openid=claimed.openid,
            template_id=template_id,
            page=self._pages[target.kind].replace("{id}", target.target_id),
            texts=fill(
                texts,
                title=target.title,
                at_ms=claimed.until_ms or target.began_ms or target.begins_ms,
                offset_min=self._settings.utc_offset_min,
            ),
        )
        async with at_once:
            if self._stop.is_set():
                return None
            return await self._messenger.send(message)

    async def _settle(
        self,
        target: Target,
        claim: str,
        done: Sequence[tuple[Claimed, Delivery | None]],
        now_ms: int,
    ) -> None:
        """Save the results of a page. Raises MessengerAway if WeChat has faults."""
        groups: dict[tuple[str, str, int], list[str]] = {}
        worst: Delivery | None = None
        for claimed, delivery in done:
            state, detail, next_ms = _ending(claimed, delivery, now_ms)
            groups.setdefault((state, detail, next_ms), []).append(claimed.buyer_id)
            if delivery is not None and delivery.outcome in (Outcome.BUSY, Outcome.UNSURE):
                worst = delivery
            if delivery is not None and delivery.outcome is Outcome.WRONG:
                self._put_off_target(target, delivery, now_ms)
        for left in reversed(range(SETTLE_TRIES)):
            try:
                async with session(self._sql, write=True) as connection:
                    for (state, detail, next_ms), buyer_ids in groups.items():
                        await store.settle(
                            *(connection, target, claim, buyer_ids, state, now_ms),
                            detail=detail,
                            next_ms=next_ms,
                        )
                break
            except StoreUnavailable:
                if not left:
                    raise
        for (state, _, _), buyer_ids in groups.items():
            if state != store.WAITING:
                self._metrics.ended.labels(state).inc(len(buyer_ids))
        self._probing = worst is not None
        if worst is not None:
            if worst.outcome is Outcome.BUSY:
                self._metrics.faults.labels("busy").inc()
            raise MessengerAway(worst.detail)

    def _put_off_target(self, target: Target, delivery: Delivery, now_ms: int) -> None:
        """Pause this target: WeChat would refuse all its messages for the same reason."""
        key = (target.kind, target.target_id)
        if key in self._put_off:
            return
        self._metrics.faults.labels("wrong").inc()
        self._put_off[key] = now_ms + LONGEST_MS
        log.error(
            "WeChat refuses a reminder: correct the settings",
            kind=target.kind,
            target_id=target.target_id,
            reason=delivery.detail,
        )


def _ending(claimed: Claimed, delivery: Delivery | None, now_ms: int) -> tuple[str, str, int]:
    """After a try: the new state, the reason, and the earliest time of the next try."""
    if delivery is None:
        return store.WAITING, "", 0
    match delivery.outcome:
        case Outcome.SENT:
            return store.SENT, "", 0
        case Outcome.REFUSED:
            return store.FAILED, delivery.detail, 0
        case Outcome.UNSURE:
            return store.UNSURE, delivery.detail, 0
        case Outcome.BUSY | Outcome.WRONG:
            wait_ms = min(LONGEST_MS, FIRST_MS * 2 ** min(claimed.tries, 16))
            return store.WAITING, delivery.detail, now_ms + wait_ms
