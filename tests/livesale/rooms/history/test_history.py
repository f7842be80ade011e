"""What was said is in SQL, once, whatever dies in between; operators find it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from sqlalchemy import func, select

from livesale.database.engine import now_ms
from livesale.database.session import session
from livesale.resources import Deployment
from livesale.rooms.history.copying import CommentCopy
from livesale.rooms.history.keeper import CommentKeeper
from livesale.rooms.history.tables import room_comments
from livesale.rooms.keys import RoomKeys
from stock.errors import Unreachable
from tests.livesale.rooms.conftest import Show
from tests.livesale.stage import on_both, open_stage
from tests.servers import Valkey


@pytest.fixture
async def stage(
    request: pytest.FixtureRequest, redis: Redis, redis_server: Valkey, tmp_path: Path
) -> AsyncIterator[Deployment]:
    url = request.getfixturevalue(getattr(request, "param", "sqlite_url"))
    flags = {"live__comment_ms": 0, "live__comments_per_s": 1_000.0}
    async with open_stage(redis, redis_server.url, url, tmp_path, **flags) as stage:
        yield stage


async def say(show: Show, name: str, text: str) -> int:
    by = show.api.buyer(name)
    reply = await show.api.post(f"{show.path}/comments", {"text": text}, by=by)
    assert reply.status == 201, reply.body
    return int(reply.body["comment_id"])


async def find(show: Show, query: str = "", size: int = 100) -> list[dict[str, Any]]:
    """All pages of this size."""
    found: list[dict[str, Any]] = []
    after = ""
    while True:
        path = f"/v1/admin/comments?limit={size}&after={after}&{query}"
        page = await show.api.get(path, by=show.api.viewer)
        assert page.status == 200, page.body
        found += page.body["comments"]
        if page.body["next"] is None:
            return found
        after = page.body["next"]


def texts(found: list[dict[str, Any]]) -> list[str]:
    return [one["text"] for one in found]


@on_both
async def test_operators_find_what_was_said_by_person_text_and_time(
    on_air: Show, stage: Deployment
) -> None:
    # given two rooms, and what people said there
    show, keeper = on_air, CommentKeeper(stage)
    body = {"title": "Other", "host": "host", "starts_ms": 4_000_000_000_000}
    made = await show.api.post("/v1/rooms", body, by=show.api.boss)
    other = Show(show.api, made.body["room_id"], show.session)
    await say(show, "ann", "how much?")
    second = await say(show, "bob", "Ｔｅａ 100% for me")
    await say(other, "ann", "any tea here")
    await say(show, "host", "thank you")
    # when the keeper has copied it, twice
    for _ in range(2):
        await keeper.step()
    # then it is found, the newest first, page by page
    everything = await find(show)
    assert texts(everything) == ["thank you", "any tea here", "Ｔｅａ 100% for me", "how much?"]
    assert await find(show, size=1) == everything
    assert [one["role"] for one in everything] == ["host", "viewer", "viewer", "viewer"]
    ann = everything[3]
    assert (ann["buyer_id"], ann["person_id"]) == ("ann", show.person("ann"))
    middle_ms = everything[1]["at_ms"]
    here = f"room_id={show.room_id}"
    for query, expected in (
        (here, ["thank you", "Ｔｅａ 100% for me", "how much?"]),
        ("buyer_id=ann", ["any tea here", "how much?"]),
        (f"{here}&person_id={show.person('ann')}", ["how much?"]),
        (f"{here}&q=TEA", ["Ｔｅａ 100% for me"]),
        ("buyer_id=ann&q=te_", ["any tea here"]),
        (f"{here}&q=coffee", []),
        (f"since_ms={middle_ms + 1_000_000}", []),
        (f"until_ms={everything[3]['at_ms']}", []),
        ("deleted=true", []),
    ):
        assert texts(await find(show, query)) == expected, query
    # and what does not say enough is refused
    for query, code in (
        ("q=tea", "invalid_parameter"),
        (f"{here}&q=%25", "invalid_parameter"),
        (f"person_id={show.person('ann')}", "invalid_parameter"),
        (f"room_id={other.room_id}&person_id={show.person('ann')}", "unknown_member"),
        ("after=1.x.1", "invalid_parameter"),
    ):
        path = f"/v1/admin/comments?{query}"
        assert (await show.api.get(path, by=show.api.viewer)).code == code, query
    # when two are deleted, one by its author, then that is seen, and the text stays
    first = everything[3]["comment_id"]
    await show.api.delete(f"{show.path}/comments/{second}", by=show.api.buyer("bob"))
    await show.api.delete(f"{show.path}/comments/{first}", by=show.host)
    await keeper.step()
    gone = await find(show, "deleted=true")
    assert [one["deleted_by"] for one in gone] == ["author", "team"]
    assert all(one["deleted_ms"] >= one["at_ms"] for one in gone)
    assert texts(await find(show, f"{here}&deleted=false")) == ["thank you"]
    # and when all is old, it goes
    assert await keeper.forget(now_ms()) == 0
    assert await keeper.forget(now_ms() + stage.settings.live.keep_comments_s * 1000 + 1) == 4
    assert await find(show) == []


@on_both
async def test_keepers_at_once_and_one_that_dies_copy_each_comment_once(
    on_air: Show, stage: Deployment, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given comments, and a keeper that dies before it removes what it copied
    show, key = on_air, RoomKeys.of(on_air.room_id).spoken_key
    for number in range(20):
        await say(show, f"b{number}", f"hello {number}")

    async def die(*_: object, **__: object) -> None:
        raise Unreachable("killed")

    with monkeypatch.context() as patch:
        patch.setattr(CommentCopy, "_remove", die)
        with pytest.raises(Unreachable):
            await CommentCopy(stage).copy([show.room_id])
    assert await redis.xlen(key) == 20
    # when more is said, and four keepers copy it at once
    await say(show, "ann", "one more")
    await asyncio.gather(*(CommentCopy(stage).copy([show.room_id]) for _ in range(4)))
    # then each is there once, and nothing waits
    async with session(stage.sql) as connection:
        count = await connection.scalar(select(func.count()).select_from(room_comments))
    assert count == 21
    assert await redis.xlen(key) == 0


async def test_what_cannot_be_read_keeps_nothing_waiting(
    on_air: Show, stage: Deployment, redis: Redis
) -> None:
    # given a room with entries that nobody wrote, one that Redis lost, and one that has ended
    show, keeper = on_air, CommentKeeper(stage)
    key = RoomKeys.of(show.room_id).spoken_key
    await redis.xadd(key, {"c": "nonsense", "by": "ann"})
    await redis.xadd(key, {"strange": "1"})
    await say(show, "ann", "before")
    await keeper.step()
    assert texts(await find(show)) == ["before"]
    for name in RoomKeys.of(show.room_id).named().values():
        await redis.unlink(name)
    # when numbers begin again, and the last words come just before the end
    assert await say(show, "ann", "after") == 1
    await show.act("end")
    await keeper.step()
    # then both are there, and the stream ends with the room
    assert texts(await find(show)) == ["after", "before"]
    assert [one["comment_id"] for one in await find(show)] == [1, 1]
    assert await redis.pttl(key) > 0 or not await redis.exists(key)
