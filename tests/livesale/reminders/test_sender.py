"""Who asked is told once, in time, and of nothing that is not so any more."""

import asyncio
from typing import Any

import aiohttp
import pytest
from sqlalchemy import select, update

from livesale.catalogue.skus.store import Sku, add_sku
from livesale.database import engine as database
from livesale.identity.buyer_ids import Identity, wechat_buyer_id
from livesale.identity.store import know_buyer
from livesale.ledger import tables
from livesale.reminders.messages import MessengerAway
from livesale.reminders.sender import PAGE, ReminderSender
from livesale.reminders.service import Reminders
from livesale.reminders.store import DROP, ROOM
from livesale.reminders.tables import reminders
from livesale.reminders.wechat import WeChatMessages
from livesale.resources import Deployment
from livesale.rooms.copy import RoomCopy
from livesale.rooms.lifecycle import RoomLifecycle
from livesale.rooms.service import NewRoom, RoomEdit, Rooms
from livesale.rooms.states import Verb
from livesale.rooms.tables import rooms
from livesale.sales.drops import Drops
from livesale.validation.refusals import ReminderRefused
from stock.ids import new_id
from tests.livesale.reminders.conftest import AHEAD_S, APPID, DROP_TEMPLATE, ROOM_TEMPLATE, People
from tests.livesale.stage import open_drop, running
from tests.twins.wechat_messages import WeChatMessagesTwin
from tests.waiting import until

SOON_MS = AHEAD_S * 500
FAR_MS = 10 * AHEAD_S * 1000


class Scene:
    """Rooms and drops, and what becomes of reminders of them."""

    def __init__(self, stage: Deployment) -> None:
        self.stage = stage
        copy = RoomCopy(stage)
        self.rooms = Rooms(stage, copy)
        self.life = RoomLifecycle(stage, copy)
        self.drops = Drops(stage)
        self.now_ms = 0
        self.asks = Reminders(stage, lambda: self.now_ms)

    async def room(self, in_ms: int) -> str:
        """A room that is announced for so long from now."""
        self.now_ms = await self.stage.engine.now_ms()
        new = NewRoom(title="Tea time", host="host", starts_ms=self.now_ms + in_ms)
        return (await self.rooms.create(new)).room_id

    async def drop(self, in_ms: int, **changes: Any) -> str:
        """A drop that is opened, and sells so long from now."""
        self.now_ms = await self.stage.engine.now_ms()
        drop_id = await open_drop(self.stage, opens_ms=self.now_ms + in_ms, **changes)
        sku = Sku(new_id(), "Shoes", 9_900, self.now_ms)
        async with database.transaction(self.stage.sql) as connection:
            await add_sku(connection, sku)
        await self.write(drop_id, state="open", sku_id=sku.sku_id)
        return drop_id

    async def write(self, drop_id: str, **values: Any) -> None:
        """What the writer does, and operators."""
        row = update(tables.drops).where(tables.drops.c.drop_id == drop_id)
        async with database.transaction(self.stage.sql) as connection:
            await connection.execute(row.values(**values))

    async def states(self) -> list[str]:
        query = select(reminders.c.state).order_by(reminders.c.created_ms)
        async with database.transaction(self.stage.sql, write=False) as connection:
            return [state for (state,) in await connection.execute(query)]


@pytest.fixture
async def scene(stage: Deployment) -> Scene:
    return Scene(stage)


async def test_who_asked_is_told_once_ahead_of_time(
    scene: Scene, people: People, sender: ReminderSender, twin: WeChatMessagesTwin
) -> None:
    # given a room and a drop that are near, and one of each that are not
    near, far = await scene.room(SOON_MS), await scene.room(FAR_MS)
    drop_id, far_drop = await scene.drop(SOON_MS), await scene.drop(FAR_MS, closes_ms=2**42)
    ann, bob = await people.come("ann", consents=5), await people.come("bob")
    for kind, target in ((ROOM, near), (ROOM, far), (DROP, far_drop)):
        await scene.asks.set(kind, target, ann)
    await scene.asks.set(DROP, drop_id, bob)
    # when the sender looks, again and again
    for _ in range(3):
        await sender.step()
    # then each got what is near, once
    assert people.reached() == ["ann", "bob"]
    by_template = {sent.template_id: sent for sent in twin.sent}
    assert by_template[ROOM_TEMPLATE].page == f"pages/room/index?id={near}"
    assert by_template[ROOM_TEMPLATE].texts["thing1"] == "Tea time"
    assert by_template[DROP_TEMPLATE].texts["phrase5"] == "即将开抢"
    assert (await scene.asks.find(ROOM, near, ann)).state == "sent"
    assert (await scene.asks.find(ROOM, far, ann)).state == "waiting"


async def test_a_buyer_of_pages_is_told_in_the_mini_program(
    scene: Scene, people: People, sender: ReminderSender, twin: WeChatMessagesTwin
) -> None:
    # given a buyer whom a page made, and who came by the mini-program, too; and one who did not
    room_id = await scene.room(SOON_MS)

    async def log_in(provider: str, name: str) -> str:
        openid = f"openid-{name}" if provider == "wechat" else f"h-{name}"
        appid = APPID if provider == "wechat" else "wx-account"
        login_id = wechat_buyer_id(appid, openid)
        return await know_buyer(
            scene.stage.sql, Identity(login_id, provider, openid, appid, f"union-{name}")
        )

    ann, bob = await log_in("wechat_h5", "ann"), await log_in("wechat_h5", "bob")
    assert await log_in("wechat", "ann") == ann
    twin.consent("openid-ann", ROOM_TEMPLATE)
    # when both ask for a reminder, then WeChat can reach one of them
    await scene.asks.set(ROOM, room_id, ann)
    with pytest.raises(ReminderRefused):
        await scene.asks.set(ROOM, room_id, bob)
    await sender.step()
    assert people.reached() == ["ann"]


async def test_a_room_that_is_put_off_is_told_when_it_comes(
    scene: Scene, people: People, sender: ReminderSender
) -> None:
    # given a room that is put off before anybody was told
    room_id = await scene.room(SOON_MS)
    ann = await people.come("ann", consents=2)
    await scene.asks.set(ROOM, room_id, ann)
    await scene.rooms.edit(room_id, RoomEdit(starts_ms=scene.now_ms + FAR_MS))
    await sender.step()
    assert people.reached() == []
    # when it is brought forward again, then it is told
    await scene.rooms.edit(room_id, RoomEdit(starts_ms=scene.now_ms + SOON_MS))
    await sender.step()
    assert people.reached() == ["ann"]
    # and asking again changes nothing, until it is put off once more
    assert (await scene.asks.set(ROOM, room_id, ann)).state == "sent"
    await scene.rooms.edit(room_id, RoomEdit(starts_ms=scene.now_ms + FAR_MS))
    assert (await scene.asks.set(ROOM, room_id, ann)).state == "waiting"
    await scene.rooms.edit(room_id, RoomEdit(starts_ms=scene.now_ms + SOON_MS + 1))
    await sender.step()
    assert people.reached() == ["ann", "ann"]


@pytest.mark.parametrize(
    ("verbs", "state"),
    [
        ((Verb.BAN,), "waiting"),
        ((Verb.BAN, Verb.END), "cancelled"),
        ((Verb.END,), "cancelled"),
        ((Verb.EXPIRE,), "cancelled"),
        ((Verb.START, Verb.PAUSE), "waiting"),
    ],
)
async def test_nothing_stale_is_told_of_a_room(
    scene: Scene, people: People, sender: ReminderSender, verbs: tuple[Verb, ...], state: str
) -> None:
    room_id = await scene.room(SOON_MS)
    await scene.asks.set(ROOM, room_id, await people.come("ann"))
    for verb in verbs:
        await scene.life.act(room_id, verb)
    await sender.step()
    assert (people.reached(), await scene.states()) == ([], [state])


async def test_a_room_that_begins_early_is_told_at_once(
    scene: Scene, people: People, sender: ReminderSender
) -> None:
    room_id = await scene.room(FAR_MS)
    await scene.asks.set(ROOM, room_id, await people.come("ann"))
    await scene.life.act(room_id, Verb.START)
    await sender.step()
    assert people.reached() == ["ann"]


async def test_a_room_that_began_long_ago_is_not_told(
    scene: Scene, people: People, sender: ReminderSender, stage: Deployment
) -> None:
    room_id = await scene.room(FAR_MS)
    await scene.asks.set(ROOM, room_id, await people.come("ann"))
    await scene.life.act(room_id, Verb.START)
    long_ago = scene.now_ms - stage.settings.reminders.late_s * 1000 - 1
    async with database.transaction(stage.sql) as connection:
        await connection.execute(update(rooms).values(started_ms=long_ago))
    await sender.step()
    assert (people.reached(), await scene.states()) == ([], ["missed"])


@pytest.mark.parametrize(
    ("values", "state"),
    [
        ({"state": "closed"}, "cancelled"),
        ({"state": "paused"}, "waiting"),
        ({"state": "draft"}, "waiting"),
        ({"closes_ms": 1}, "cancelled"),
        ({"opens_ms": 1}, "missed"),
    ],
)
async def test_nothing_stale_is_told_of_a_drop(
    scene: Scene, people: People, sender: ReminderSender, values: dict[str, Any], state: str
) -> None:
    drop_id = await scene.drop(SOON_MS)
    await scene.asks.set(DROP, drop_id, await people.come("ann"))
    await scene.write(drop_id, **values)
    await sender.step()
    assert (people.reached(), await scene.states()) == ([], [state])


async def test_what_was_taken_back_is_not_told(
    scene: Scene, people: People, sender: ReminderSender
) -> None:
    room_id = await scene.room(SOON_MS)
    ann = await people.come("ann")
    await scene.asks.set(ROOM, room_id, ann)
    assert (await scene.asks.take_back(ROOM, room_id, ann)).state == "none"
    await sender.step()
    assert people.reached() == []


async def test_without_consent_it_is_final_until_asked_again(
    scene: Scene, people: People, sender: ReminderSender, twin: WeChatMessagesTwin
) -> None:
    # given somebody who accepted nothing
    room_id = await scene.room(SOON_MS)
    ann = await people.come("ann", consents=0)
    await scene.asks.set(ROOM, room_id, ann)
    # when it is refused, then it is not tried again
    for _ in range(3):
        await sender.step()
    assert (await scene.states(), twin.asked) == (["failed"], 1)
    # and when the person accepts and asks again, then it is sent
    await people.come("ann")
    await scene.asks.set(ROOM, room_id, ann)
    await sender.step()
    assert people.reached() == ["ann"]


async def test_a_busy_wechat_is_asked_again(
    scene: Scene, people: People, sender: ReminderSender, twin: WeChatMessagesTwin
) -> None:
    # given WeChat is busy, and a crowd is due
    room_id = await scene.room(SOON_MS)
    names = [f"p{number:03}" for number in range(PAGE + 5)]
    for name in names:
        await scene.asks.set(ROOM, room_id, await people.come(name))
    twin.errcode_of = lambda _openid: 45009
    with pytest.raises(MessengerAway):
        await sender.step()
    # then one message is tried, not a page
    asked = twin.asked
    with pytest.raises(MessengerAway):
        await sender.step()
    assert (asked, twin.asked) == (PAGE, PAGE + 1)
    # and when it is well again, all are told once
    twin.errcode_of = lambda _openid: 0
    await _forget_waits(scene)
    while await sender.step():
        pass
    assert people.reached() == names


async def test_settings_that_wechat_refuses_burn_nobody(
    scene: Scene, people: People, sender: ReminderSender, twin: WeChatMessagesTwin
) -> None:
    # given a room whose messages are refused as they are made, and one whose are not
    fields = twin.templates.pop(DROP_TEMPLATE)
    drop_id, room_id = await scene.drop(SOON_MS), await scene.room(SOON_MS)
    for name in ("ann", "bob"):
        await scene.asks.set(DROP, drop_id, await people.come(name))
    await scene.asks.set(ROOM, room_id, await people.come("eve"))
    # when the sender looks, then the other is told, and these wait
    for _ in range(3):
        await sender.step()
    assert people.reached() == ["eve"]
    assert sorted(await scene.states()) == ["sent", "waiting", "waiting"]
    assert twin.asked == 3
    # and when it is mended, they are told
    twin.templates[DROP_TEMPLATE] = fields
    await _forget_waits(scene)
    messenger = WeChatMessages(scene.stage.settings)
    async with messenger.running():
        await ReminderSender(scene.stage, messenger).step()
    assert people.reached() == ["ann", "bob", "eve"]


async def test_no_answer_is_never_tried_again(
    scene: Scene, people: People, sender: ReminderSender, twin: WeChatMessagesTwin
) -> None:
    room_id = await scene.room(SOON_MS)
    ann = await people.come("ann", consents=2)
    await scene.asks.set(ROOM, room_id, ann)
    outgoing = sender._messenger._outgoing  # type: ignore[attr-defined]
    outgoing._timeout = aiohttp.ClientTimeout(total=0.2)
    twin.answers_s = 0.5
    with pytest.raises(MessengerAway):
        await sender.step()
    twin.answers_s = 0.0
    await sender.step()
    assert (await scene.asks.set(ROOM, room_id, ann)).state == "unsure"
    assert people.reached() == ["ann"]


async def test_two_keepers_tell_each_person_once(
    scene: Scene, people: People, stage: Deployment, twin: WeChatMessagesTwin
) -> None:
    # given a crowd with consents to spare, and three keepers at once
    room_id = await scene.room(SOON_MS)
    names = [f"p{number:03}" for number in range(3 * PAGE)]
    for name in names:
        await scene.asks.set(ROOM, room_id, await people.come(name, consents=3))
    twin.takes_s = 0.01
    keepers = [ReminderSender(stage, WeChatMessages(stage.settings)) for _ in range(3)]

    async def told() -> bool:
        return set(await scene.states()) == {"sent"}

    # when they run
    async with running(keepers[0]), running(keepers[1]), running(keepers[2]):
        await until(told)
    # then each was told once
    assert people.reached() == names


async def test_what_a_dead_keeper_claimed_is_never_sent(
    scene: Scene, people: People, stage: Deployment, twin: WeChatMessagesTwin
) -> None:
    # given a keeper that is gone between its claim and its messages
    room_id = await scene.room(SOON_MS)
    for name in ("ann", "bob"):
        await scene.asks.set(ROOM, room_id, await people.come(name, consents=2))
    messenger = WeChatMessages(stage.settings)
    twin.answers_s = 0.5
    async with messenger.running():
        dying = asyncio.create_task(ReminderSender(stage, messenger).step())

        def asked() -> bool:
            return len(twin.sent) == 2

        await until(asked)
        dying.cancel()
        await asyncio.gather(dying, return_exceptions=True)
    twin.answers_s = 0.0
    assert await scene.states() == ["sending", "sending"]
    # when its lease has ended and another keeper works
    async with database.transaction(stage.sql) as connection:
        await connection.execute(update(reminders).values(updated_ms=1))
    messenger = WeChatMessages(stage.settings)
    async with messenger.running():
        sender = ReminderSender(stage, messenger)
        await sender.tidy()
        await sender.step()
    # then nobody hears of it twice
    assert people.reached() == ["ann", "bob"]
    assert await scene.states() == ["unsure", "unsure"]


async def test_a_stop_lets_the_rest_of_a_page_wait(
    scene: Scene, people: People, stage: Deployment, twin: WeChatMessagesTwin
) -> None:
    # given a page that takes its time
    room_id = await scene.room(SOON_MS)
    names = [f"p{number:03}" for number in range(PAGE)]
    for name in names:
        await scene.asks.set(ROOM, room_id, await people.come(name))
    twin.answers_s = 0.3
    sender = ReminderSender(stage, WeChatMessages(stage.settings))

    def begun() -> bool:
        return twin.asked > 0

    # when the keeper is told to stop in the middle of it
    async with running(sender):
        await until(begun)
    # then what was begun is sent, and the others wait for the next one
    states = await scene.states()
    assert set(states) == {"sent", "waiting"}
    assert states.count("sent") == len(twin.sent) == len(set(people.reached()))


async def test_what_is_over_is_forgotten_in_the_end(
    scene: Scene, people: People, sender: ReminderSender, stage: Deployment
) -> None:
    room_id, far = await scene.room(SOON_MS), await scene.room(FAR_MS)
    ann = await people.come("ann")
    for target in (room_id, far):
        await scene.asks.set(ROOM, target, ann)
    await sender.step()
    await sender.tidy()
    assert sorted(await scene.states()) == ["sent", "waiting"]
    async with database.transaction(stage.sql) as connection:
        await connection.execute(update(reminders).values(updated_ms=1))
    await sender.tidy()
    assert await scene.states() == ["waiting"]


async def _forget_waits(scene: Scene) -> None:
    """As if the time until the next try had passed."""
    async with database.transaction(scene.stage.sql) as connection:
        await connection.execute(update(reminders).values(next_ms=0))
