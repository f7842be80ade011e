"""Tells a webhook of each alert, from the outbox in SQL, in the keeper's process.

An alert is told at least once: a keeper that dies between the answer and its note tells it again.
Its id is the same, so that the receiver can see that.
"""

import asyncio
import hashlib
import hmac
import time

import msgspec
from msgspec import Struct
from prometheus_client import CollectorRegistry, Counter

from livesale.alerts import store
from livesale.alerts.store import Alert
from livesale.database.engine import now_ms
from livesale.database.session import session
from livesale.resources import Deployment
from livesale.tasks import Tasks
from livesale.tasks.turns import Crowded
from livesale.wechat.client import Bounds, NoAnswer, NotAsked, Outgoing

LOOK_S = 1.0
PAGE = 20
LEASE_MS = 60_000  # longer than a page takes
FIRST_MS = 2_000  # before the second try; doubles each time
LONGEST_MS = 600_000
MAX_TRIES = 24  # in about three hours
TIDY_EVERY_S = 3_600.0


class Told(Struct, frozen=True):
    """The body of a call of the webhook."""

    alert_id: str
    kind: str
    object_id: str
    title: str
    facts: dict[str, object]
    at_ms: int


class AlertMetrics:
    """Metrics of the sender of alerts."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.told = Counter(
            "livesale_alerts_told_total",
            "Calls of the webhook: sent, retried, or failed for good",
            ["outcome"],
            registry=registry,
        )


class AlertSender:
    """Call `run`; it ends when `stop` is set."""

    def __init__(self, deployment: Deployment, registry: CollectorRegistry | None = None) -> None:
        self._sql = deployment.sql
        settings = deployment.settings.alerts
        self._url = settings.webhook_url
        self._secret = settings.webhook_secret.get_secret_value()
        self._keep_ms = settings.keep_s * 1000
        self._metrics = AlertMetrics(registry or CollectorRegistry())
        self._outgoing = Outgoing(
            self._url, settings.timeout_ms / 1000, Bounds(at_once=4, per_s=None), settings.proxy
        )

    async def run(self, stop: asyncio.Event) -> None:
        async with self._outgoing.running(), Tasks(stop) as tasks:
            tasks.repeat("alerts: tell", self.step)
            tasks.repeat("alerts: forget", self._forget, after_s=TIDY_EVERY_S)

    async def step(self) -> float:
        """Tell a page of alerts; seconds until the next step."""
        async with session(self._sql, write=True) as connection:
            due = await store.claim_due(connection, now_ms(), LEASE_MS, PAGE)
            if not self._url:
                await store.switch_off(connection, [alert.alert_id for alert in due])
        if self._url:
            for alert in due:
                await self._tell(alert)
        return 0.0 if len(due) == PAGE else LOOK_S

    async def _tell(self, alert: Alert) -> None:
        fault = await self._call(alert)
        outcome, state, next_ms = "sent", store.SENT, 0
        if fault:
            wait_ms = min(LONGEST_MS, FIRST_MS << min(alert.hook_tries - 1, 20))
            outcome, state, next_ms = "retried", store.WAITING, now_ms() + wait_ms
            if alert.hook_tries >= MAX_TRIES:
                outcome, state = "failed", store.FAILED
        async with session(self._sql, write=True) as connection:
            await store.settle(connection, alert, state, next_ms=next_ms, error=fault)
        self._metrics.told.labels(outcome).inc()

    async def _call(self, alert: Alert) -> str:
        """Empty, or why it was not taken."""
        told = Told(
            alert.alert_id, alert.kind, alert.object_id, alert.title, alert.facts, alert.at_ms
        )
        raw = msgspec.json.encode(told)
        headers = {
            "Content-Type": "application/json",
            "X-Livesale-Alert": alert.alert_id,
            "X-Livesale-Signature": sign(self._secret, int(time.time()), raw),
        }
        try:
            answer = await self._outgoing.ask("POST", self._url, data=raw, headers=headers)
        except (NotAsked, NoAnswer, Crowded) as error:
            return str(error)
        return "" if 200 <= answer.status < 300 else f"the webhook answered {answer.status}"

    async def _forget(self) -> float:
        async with session(self._sql, write=True) as connection:
            await store.forget(connection, now_ms() - self._keep_ms, 1_000)
        return TIDY_EVERY_S


def sign(secret: str, at_s: int, raw: bytes) -> str:
    """`t=<seconds>,v1=<HMAC-SHA256 of "<seconds>.<body>" in hexadecimal>`."""
    digest = hmac.new(secret.encode(), f"{at_s}.".encode() + raw, hashlib.sha256).hexdigest()
    return f"t={at_s},v1={digest}"
