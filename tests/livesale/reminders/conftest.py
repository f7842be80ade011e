"""A stage where people are reminded, through a twin of WeChat."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from livesale.identity.buyer_ids import wechat_buyer_id
from livesale.identity.store import remember_buyer
from livesale.reminders.sender import ReminderSender
from livesale.reminders.wechat import WeChatMessages
from livesale.resources import Deployment
from tests.livesale.stage import open_stage
from tests.servers import Valkey
from tests.twins.wechat_messages import WeChatMessagesTwin

APPID, SECRET = "wx-app", "app-secret"
ROOM_TEMPLATE, DROP_TEMPLATE, HOLD_TEMPLATE = "tmpl-room", "tmpl-drop", "tmpl-hold"
AHEAD_S = 600


def flags_for(base_url: str) -> dict[str, object]:
    return {
        "wechat__appid": APPID,
        "wechat__secret": SECRET,
        "wechat__base_url": base_url,
        "reminders__room_template_id": ROOM_TEMPLATE,
        "reminders__room_texts": {"thing1": "{title}", "time2": "{time}"},
        "reminders__room_page": "pages/room/index?id={id}",
        "reminders__drop_template_id": DROP_TEMPLATE,
        "reminders__drop_texts": {"thing3": "{title}", "date4": "{time}", "phrase5": "即将开抢"},
        "reminders__hold_template_id": HOLD_TEMPLATE,
        "reminders__hold_texts": {"thing6": "{title}", "time7": "{time}"},
        "reminders__hold_page": "pages/drop/index?id={id}",
        "reminders__ahead_s": AHEAD_S,
        "reminders__max_per_buyer": 3,
    }


@pytest.fixture
async def twin() -> AsyncIterator[WeChatMessagesTwin]:
    fields = {ROOM_TEMPLATE: {"thing1", "time2"}, DROP_TEMPLATE: {"thing3", "date4", "phrase5"}}
    fields[HOLD_TEMPLATE] = {"thing6", "time7"}
    twin = WeChatMessagesTwin(APPID, SECRET, fields)
    yield twin
    await twin.stop()


@pytest.fixture
async def stage(
    request: pytest.FixtureRequest,
    redis: Redis,
    redis_server: Valkey,
    tmp_path: Path,
    twin: WeChatMessagesTwin,
) -> AsyncIterator[Deployment]:
    url = request.getfixturevalue(getattr(request, "param", "sqlite_url"))
    flags = flags_for(await twin.start())
    async with open_stage(redis, redis_server.url, url, tmp_path, **flags) as stage:
        yield stage


@pytest.fixture
async def sender(stage: Deployment) -> AsyncIterator[ReminderSender]:
    """One whose steps a test takes."""
    messenger = WeChatMessages(stage.settings)
    async with messenger.running():
        yield ReminderSender(stage, messenger)


class People:
    """Those who want to be reminded: known to WeChat and to us."""

    def __init__(self, stage: Deployment, twin: WeChatMessagesTwin) -> None:
        self.stage = stage
        self.twin = twin

    async def come(self, name: str, *, consents: int = 1) -> str:
        """Somebody who has logged in, and accepted each template so often; the buyer id."""
        openid = f"openid-{name}"
        buyer_id = wechat_buyer_id(APPID, openid)
        await remember_buyer(self.stage.sql, buyer_id, "wechat", openid)
        self.twin.known.add(openid)
        for template_id in (ROOM_TEMPLATE, DROP_TEMPLATE, HOLD_TEMPLATE):
            for _ in range(consents):
                self.twin.consent(openid, template_id)
        return buyer_id

    def reached(self) -> list[str]:
        """Whom a message came to, in alphabetical order, once for each."""
        return sorted(sent.openid.removeprefix("openid-") for sent in self.twin.sent)


@pytest.fixture
def people(stage: Deployment, twin: WeChatMessagesTwin) -> People:
    return People(stage, twin)
