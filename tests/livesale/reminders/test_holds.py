"""Who waits in a draw or a waitlist is told once that a unit is held for them."""

import pytest
from sqlalchemy import update

from livesale.catalogue.skus.store import Sku, add_sku
from livesale.database import engine as database
from livesale.ledger.tables import orders
from livesale.ledger.writer import Writer
from livesale.reminders.sender import ReminderSender
from livesale.reminders.service import Reminders
from livesale.reminders.store import HOLD
from livesale.resources import Deployment
from livesale.validation.refusals import Unknown
from stock.line.model import LineMode
from tests.livesale.line.scenes import close, gather, hold
from tests.livesale.reminders.conftest import HOLD_TEMPLATE, People
from tests.livesale.stage import on_both, running, until_written
from tests.twins.wechat_messages import WeChatMessagesTwin


async def write(stage: Deployment) -> None:
    async with running(Writer(stage)):
        await until_written(stage)


def asks(stage: Deployment) -> Reminders:
    return Reminders(stage, lambda: 0)


async def draw_of_one(stage: Deployment) -> str:
    """A drop with one unit, which will be drawn."""
    drop_id = await gather(stage, units=1, mode=LineMode.DRAW)
    async with database.transaction(stage.sql) as connection:
        await add_sku(connection, Sku("s1", "Tea set", 9_900, 0))
    return drop_id


@on_both
async def test_a_winner_is_told_until_when_to_pay(
    stage: Deployment, people: People, sender: ReminderSender, twin: WeChatMessagesTwin
) -> None:
    # given a draw of one unit that two entered who want to be told
    drop_id = await draw_of_one(stage)
    names = {await people.come(name, consents=3): name for name in ("ann", "bob")}
    for buyer_id in names:
        assert (await asks(stage).set(HOLD, drop_id, buyer_id)).state == "waiting"
    await stage.engine.line.join(drop_id, list(names))
    await write(stage)
    # when nothing is held yet, nobody is told
    await sender.step()
    assert people.reached() == []
    # when it is drawn
    await close(stage, drop_id)
    await write(stage)
    (rid,) = await hold(stage, drop_id)
    await write(stage)
    for _ in range(3):
        await sender.step()
    # then the winner has one message, with the time until which it is held
    claim = await stage.engine.reservation(rid)
    assert claim is not None
    (sent,) = twin.sent
    assert (sent.template_id, sent.openid) == (HOLD_TEMPLATE, f"openid-{names[claim.buyer_id]}")
    assert sent.page == f"pages/drop/index?id={drop_id}"
    loser = next(buyer_id for buyer_id in names if buyer_id != claim.buyer_id)
    assert (await asks(stage).find(HOLD, drop_id, claim.buyer_id)).state == "sent"
    assert (await asks(stage).find(HOLD, drop_id, loser)).state == "waiting"
    # when the winner gives it back, then the next is told
    await stage.engine.release(rid, claim.buyer_id)
    assert len(await hold(stage, drop_id)) == 1
    await write(stage)
    await sender.step()
    assert people.reached() == ["ann", "bob"]
    # and when the drop is over, nobody waits any more
    assert (await asks(stage).set(HOLD, drop_id, claim.buyer_id)).state == "waiting"
    await stage.engine.close_drop(drop_id)
    await write(stage)
    await sender.step()
    assert (await asks(stage).find(HOLD, drop_id, claim.buyer_id)).state == "cancelled"
    assert len(twin.sent) == 2


async def test_nobody_is_told_of_a_hold_that_has_ended(
    stage: Deployment, people: People, sender: ReminderSender, twin: WeChatMessagesTwin
) -> None:
    # given a winner whose hold ended while no keeper was there
    drop_id = await draw_of_one(stage)
    ann = await people.come("ann", consents=3)
    await asks(stage).set(HOLD, drop_id, ann)
    await stage.engine.line.join(drop_id, [ann])
    await close(stage, drop_id)
    await write(stage)
    assert len(await hold(stage, drop_id)) == 1
    await write(stage)
    async with database.transaction(stage.sql) as connection:
        await connection.execute(update(orders).values(expires_ms=await stage.engine.now_ms()))
    # when
    for _ in range(3):
        await sender.step()
    # then the message is kept for a hold that lasts
    assert twin.sent == []
    assert (await asks(stage).find(HOLD, drop_id, ann)).state == "waiting"


async def test_what_gives_turns_holds_nothing(stage: Deployment, people: People) -> None:
    drop_id = await gather(stage, mode=LineMode.TURNS)
    ann = await people.come("ann")
    with pytest.raises(Unknown) as refused:
        await asks(stage).set(HOLD, drop_id, ann)
    assert refused.value.code == "unknown_line"
