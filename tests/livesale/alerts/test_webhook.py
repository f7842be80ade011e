"""Alerts reach a webhook from the outbox, signed, at least once, and are not lost."""

import hashlib
import hmac
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from aiohttp import web
from msgspec.structs import replace
from pydantic import SecretStr

from livesale.alerts import store, webhook
from livesale.alerts.service import Alerts
from livesale.alerts.webhook import AlertSender
from livesale.database.session import session
from livesale.errors import Refused
from livesale.resources import Deployment
from livesale.settings import load_settings

SECRET = "a secret of the webhook"


class Receiver:
    """Takes what is well signed; answers `faults` first."""

    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []
        self.faults: list[int] = []
        self.url = ""

    async def take(self, request: web.Request) -> web.Response:
        raw = await request.read()
        parts = dict(
            part.split("=", 1) for part in request.headers["X-Livesale-Signature"].split(",")
        )
        text = f"{parts['t']}.".encode() + raw
        assert hmac.new(SECRET.encode(), text, hashlib.sha256).hexdigest() == parts["v1"]
        if self.faults:
            return web.Response(status=self.faults.pop(0))
        told = msgspec.json.decode(raw)
        assert request.headers["X-Livesale-Alert"] == told["alert_id"]
        self.heard.append(told)
        return web.Response(status=204)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    found = Receiver()
    app = web.Application()
    app.router.add_post("/alerts", found.take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    found.url = f"http://127.0.0.1:{runner.addresses[0][1]}/alerts"
    yield found
    await runner.cleanup()


def with_webhook(stage: Deployment, url: str) -> Deployment:
    changes = {"webhook_url": url, "webhook_secret": SecretStr(SECRET)}
    alerts = stage.settings.alerts.model_copy(update=changes)
    return replace(stage, settings=stage.settings.model_copy(update={"alerts": alerts}))


async def raise_one(stage: Deployment, object_id: str = "s1") -> None:
    async with session(stage.sql, write=True) as connection:
        await store.raise_alert(connection, "stock_low", object_id, "Low", {"free": 1}, 5)


async def steps(stage: Deployment, count: int = 1) -> None:
    sender = AlertSender(stage)
    async with sender._outgoing.running():
        for _ in range(count):
            await sender.step()


async def test_each_alert_is_told_until_it_is_taken(
    stage: Deployment, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given an alert, and a receiver that is down for two calls
    monkeypatch.setattr(webhook, "FIRST_MS", 0)
    told = with_webhook(stage, receiver.url)
    await raise_one(stage)
    receiver.faults = [500, 302]
    # when the keeper tries again and again
    await steps(told, 2)
    (alert,) = await Alerts(stage).list()
    assert (alert.hook_state, alert.hook_tries) == ("waiting", 2)
    assert alert.hook_error == "the webhook answered 302"
    await steps(told, 3)
    # then it is told once
    (alert,) = await Alerts(stage).list()
    assert (alert.hook_state, alert.hook_error) == ("sent", "")
    assert [one["object_id"] for one in receiver.heard] == ["s1"]
    assert receiver.heard[0]["facts"] == {"free": 1}


async def test_what_a_dead_keeper_had_claimed_is_told_after_its_lease(
    stage: Deployment, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    await raise_one(stage)
    async with session(stage.sql, write=True) as connection:
        (claimed,) = await store.claim_due(connection, webhook.now_ms(), 60_000, 10)
        assert claimed.hook_tries == 1
    told = with_webhook(stage, receiver.url)
    await steps(told)
    assert receiver.heard == []  # the lease lasts
    monkeypatch.setattr(webhook, "now_ms", lambda: 2**42)
    await steps(told)
    assert len(receiver.heard) == 1


async def test_an_alert_that_nobody_takes_is_given_up_at_last(
    stage: Deployment, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "FIRST_MS", 0)
    monkeypatch.setattr(webhook, "MAX_TRIES", 2)
    await raise_one(stage)
    receiver.faults = [500] * 5
    await steps(with_webhook(stage, receiver.url), 4)
    (alert,) = await Alerts(stage).list()
    assert (alert.hook_state, alert.hook_tries) == ("failed", 2)


async def test_without_a_webhook_nothing_waits_and_old_alerts_are_forgotten(
    stage: Deployment,
) -> None:
    for object_id in ("s1", "s2"):
        await raise_one(stage, object_id)
    await steps(stage)
    assert {alert.hook_state for alert in await Alerts(stage).list()} == {"off"}
    first, second = await Alerts(stage).after("")
    assert await Alerts(stage).after(first.alert_id) == [second]
    async with session(stage.sql, write=True) as connection:
        await store.end_alert(connection, "stock_low", "s1", 7)
    await AlertSender(stage)._forget()
    assert [alert.object_id for alert in await Alerts(stage).list()] == ["s2"]


def test_a_webhook_needs_a_secret() -> None:
    with pytest.raises(Refused, match="WEBHOOK_SECRET"):
        load_settings(alerts__webhook_url="https://ops.example/x")
