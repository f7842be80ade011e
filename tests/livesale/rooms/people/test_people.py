"""People in a room: what they say, how many they are, and who may not be there."""

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from redis.asyncio import Redis

from livesale.resources import Deployment
from livesale.rooms.channel.closes import CLOSES
from livesale.rooms.copy import RoomCopy
from livesale.rooms.keeper import RoomKeeper
from livesale.rooms.keys import RoomKeys
from livesale.rooms.people.scripts import NOBODY, PeopleScripts, Report
from stock.errors import OutcomeUnknown
from tests.livesale.rooms.conftest import Show, open_show
from tests.livesale.stage import open_stage
from tests.servers import Valkey
from tests.waiting import until

TICK_MS = 200


@pytest.fixture
async def stage(
    redis: Redis, redis_server: Valkey, sqlite_url: str, tmp_path: Path
) -> AsyncIterator[Deployment]:
    flags = {
        "live__people_ms": TICK_MS,
        "live__comment_ms": 60_000,
        "live__comments_kept": 3,
        "live__comments_per_s": 5.0,
        "limits__buyer_per_s": 1_000.0,
        "limits__buyer_burst": 1_000,
    }
    async with open_stage(redis, redis_server.url, sqlite_url, tmp_path, **flags) as stage:
        yield stage


async def say(show: Show, name: str, text: str, status: int = 201) -> Any:
    answer = await show.api.post(f"{show.path}/comments", {"text": text}, by=show.api.buyer(name))
    assert answer.status == status, answer.body
    return answer.body


async def bar(show: Show, kind: str, name: str, by: str, status: int = 200) -> Any:
    body = {"person_id": show.person(name), "seconds": 600}
    answer = await show.api.post(f"{show.path}/{kind}s", body, by=by)
    assert answer.status == status, answer.body
    return answer.body


async def test_what_somebody_says_is_seen_by_all_and_by_newcomers(show: Show) -> None:
    # given two viewers
    ann, bob = await show.viewer(name="ann"), await show.viewer()
    # when one says something through its socket
    await ann.send({"type": "comment", "text": " 多少\u202e钱？<b> ", "ref": "c1"})
    # then it is answered, and both see it as text, with its author
    assert (await ann.until("commented"))["ref"] == "c1"
    for viewer in (ann, bob):
        event = await viewer.until("comment")
        comment = event["comment"]
        assert (comment["person_id"], comment["role"]) == (show.person("ann"), "viewer")
        assert comment["text"] == "多少钱？<b>"
        assert "<" not in viewer.log[viewer.epoch, event["offset"]]
    # and who comes later sees the last of them
    for number in range(4):
        await say(show, f"buyer-{number}", f"number {number}")
    async with open_show(show.api.deployment) as other:
        other.room_id, other.path = show.room_id, show.path
        late = await other.viewer()
        snapshot = await late.until("snapshot")
        shown = [(one["comment_id"], one["text"]) for one in snapshot["comments"]]
    assert shown == [(3, "number 1"), (4, "number 2"), (5, "number 3")]
    assert ann.faults == bob.faults == []


async def test_what_is_not_said(show: Show) -> None:
    for text, code in (
        ("\u200b\u202e ", "invalid_field"),
        ("长" * 101, "invalid_field"),
        ("加 微\u200b信", "comment_blocked"),
    ):
        assert (await say(show, "ann", text, 422))["code"] == code
    path = f"{show.path}/comments"
    assert (await show.api.post(path, {"text": "hi"})).status == 401
    assert (await show.api.post(path, {"text": "hi"}, by=show.api.boss)).status == 403
    await show.act("end")
    assert (await say(show, "ann", "hi", 410))["code"] == "room_over"


async def test_a_person_is_bounded_on_all_workers_together(show: Show) -> None:
    # given a person who has said three things, the burst, through two workers
    async with open_show(show.api.deployment) as other:
        other.room_id, other.path = show.room_id, show.path
        for where in (show, other, show):
            await say(where, "ann", "again")
        # when more is said, at once and on both, then it is too often, and for this person alone
        refused = await asyncio.gather(
            *(say(where, "ann", "again", 429) for where in (show, other) * 3)
        )
        assert {(one["code"], one["by"]) for one in refused} == {("slow_down", "buyer")}
        assert all(1 <= one["retry_after_s"] <= 60 for one in refused)
        await say(other, "bob", "hello")
    # and through a socket it is an error that closes nothing
    viewer = await show.viewer(name="ann")
    await viewer.send({"type": "comment", "text": "again", "ref": "x"})
    error = await viewer.until("error")
    assert (error["code"], error["ref"]) == ("slow_down", "x")
    await viewer.send({"type": "ping"})
    await viewer.until("pong")


async def test_a_room_is_bounded_whoever_speaks_and_its_host_is_heard(show: Show) -> None:
    # when forty people speak at once, where ten may
    path, buyer = f"{show.path}/comments", show.api.buyer
    answers = await asyncio.gather(
        *(show.api.post(path, {"text": "me"}, by=buyer(f"b{n}")) for n in range(40))
    )
    # then about ten are heard, the others wait; the host is heard however often
    heard = [answer for answer in answers if answer.status == 201]
    assert 10 <= len(heard) <= 20
    refused = [answer.body for answer in answers if answer.status != 201]
    assert {(one["code"], one["by"]) for one in refused} == {("slow_down", "room")}
    for _ in range(8):
        assert (await say(show, "host", "thank you"))["role"] == "host"


async def test_who_is_muted_does_not_speak_until_it_ends(
    show: Show, copy: RoomCopy, redis: Redis
) -> None:
    await show.put(f"assistants/{show.person('maid')}", by=show.host)
    viewer = await show.viewer(name="ann")
    # when an assistant mutes a viewer
    muted = await bar(show, "mute", "ann", show.api.buyer("maid"))
    # then all hear of it, and it does not speak, by whichever way
    barred = (await viewer.until("viewer.barred"))["viewer"]
    assert (barred["person_id"], barred["bar"]) == (show.person("ann"), "mute")
    assert barred["until_ms"] == muted["until_ms"]
    assert (await say(show, "ann", "but", 403))["until_ms"] == muted["until_ms"]
    await viewer.send({"type": "comment", "text": "but"})
    assert (await viewer.until("error"))["until_ms"] == muted["until_ms"]
    listed = await show.api.ask("GET", f"{show.path}/mutes", by=show.host)
    [shown] = listed.body["bars"]
    assert shown == muted
    assert shown["person_id"] == show.person("ann")
    assert shown["barred_by"] == {"person_id": show.person("maid"), "operator": None}
    # and nobody saw a buyer's id
    assert not [text for text in viewer.log.values() if '"ann"' in text]
    # also when Redis has lost the room
    for key in RoomKeys.of(show.room_id).named().values():
        await redis.unlink(key)
    assert (await say(show, "ann", "but", 403))["code"] == "muted"
    # and when it is lifted, or has ended, it speaks
    lifted = await show.api.ask("DELETE", f"{show.path}/mutes/{show.person('ann')}", by=show.host)
    assert lifted.status == 200
    await say(show, "ann", "thanks")
    past = {"bob": f"{await show.api.deployment.engine.now_ms() - 1}|0"}
    await copy.people.bring_restrictions(show.room_id, 99, past)
    await say(show, "bob", "hello")


async def test_who_is_banned_is_sent_away_and_does_not_come_back(show: Show) -> None:
    # given somebody who watches by two sockets, on two workers, and somebody else
    async with open_show(show.api.deployment) as other:
        other.room_id, other.path = show.room_id, show.path
        here, there = await show.viewer(name="ann"), await other.viewer(name="ann")
        bob, nameless = await show.viewer(name="bob"), await show.viewer()
        await asyncio.gather(*(one.until("snapshot") for one in (here, there, bob, nameless)))
        # when the host bans it
        await bar(show, "ban", "ann", show.host)
        # then both sockets are closed, and the others stay
        for viewer in (here, there):
            assert await viewer.closed() == [CLOSES["banned"].code]
        await bob.until("viewer.barred")
        assert not bob.closes
    # and it is kept out under its name
    assert (await say(show, "ann", "but", 403))["code"] == "banned"
    liked = await show.api.post(f"{show.path}/likes", by=show.api.buyer("ann"))
    assert (liked.status, liked.body["code"]) == (403, "banned")
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec_WebSocket_Version": "13",
        "Sec_WebSocket_Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    }
    came = await show.api.ask("GET", f"{show.path}/socket", by=show.api.buyer("ann"), **upgrade)
    assert (came.status, came.body["code"]) == (403, "banned")
    await nameless.send({"type": "hello", "token": show.api.buyer("ann")})
    assert await nameless.closed() == [CLOSES["banned"].code]


async def test_who_is_banned_does_not_come_in_where_it_was_not_known_yet(show: Show) -> None:
    # given a worker that has just looked who is banned, and does not hear the room
    bob = await show.viewer(name="bob")
    await bob.until("snapshot")
    async with open_show(show.api.deployment) as other:
        ann = other.api.buyer("ann")
        liked = await other.api.post(f"{show.path}/likes", by=ann)
        assert liked.status == 202, liked.body
        # when somebody is banned, and goes there at once
        await bar(show, "ban", "ann", show.host)
        url, headers = f"{other.api.url}{show.path}/socket", {"Authorization": f"Bearer {ann}"}
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await other.session.ws_connect(url, headers=headers)
        # then it does not come in
        assert refused.value.status == 403


async def test_those_who_run_a_room_bar_those_below_them_only(show: Show) -> None:
    await show.put(f"assistants/{show.person('maid')}", by=show.host)
    maid, ann = show.api.buyer("maid"), show.api.buyer("ann")
    for by, name in ((ann, "bob"), (maid, "host"), (maid, "maid"), (show.host, "host")):
        assert (await bar(show, "ban", name, by, 403))["code"] == "not_yours"
    await bar(show, "mute", "maid", show.host)
    await bar(show, "ban", "host", show.api.boss)
    # and they lift nothing from themselves, or from those above them
    for by, path, name in (
        (maid, "mutes", "maid"),
        (maid, "bans", "host"),
        (show.host, "bans", "host"),
    ):
        lifted = await show.api.ask("DELETE", f"{show.path}/{path}/{show.person(name)}", by=by)
        assert (lifted.status, lifted.body["code"]) == (403, "not_yours")
    lifted = await show.api.ask("DELETE", f"{show.path}/mutes/{show.person('maid')}", by=show.host)
    assert lifted.status == 200, lifted.body


async def test_a_comment_is_taken_back_by_its_author_and_by_those_who_moderate(
    show: Show, redis: Redis
) -> None:
    viewer = await show.viewer()
    first, second = await say(show, "bob", "one"), await say(show, "ann", "two")
    path = f"{show.path}/comments/{second['comment_id']}"
    # another viewer may not, the author may, and twice is once
    by = show.api.buyer
    assert (await show.api.ask("DELETE", path, by=by("bob"))).body["code"] == "not_yours"
    assert (await show.api.ask("DELETE", path, by=by("ann"))).status == 200
    assert (await show.api.ask("DELETE", path, by=show.host)).status == 200
    unknown = await show.api.ask("DELETE", f"{show.path}/comments/77", by=show.host)
    assert (unknown.status, unknown.body["code"]) == (404, "unknown_comment")
    await show.api.ask("DELETE", f"{show.path}/comments/{first['comment_id']}", by=show.host)
    await viewer.until("comment.deleted", comment_id=first["comment_id"])
    assert viewer.kinds().count("comment.deleted") == 2
    assert await redis.xlen(RoomKeys.of(show.room_id).comments_key) == 0


async def test_likes_are_gathered_and_none_is_lost(show: Show) -> None:
    # given two workers
    async with open_show(show.api.deployment) as other:
        other.room_id, other.path = show.room_id, show.path
        viewer, far = await show.viewer(name="ann"), await other.viewer(name="bob")
        # when sixty likes come in thirty frames, and ten by HTTP
        for _ in range(15):
            await viewer.send({"type": "like", "count": 2})
            await far.send({"type": "like", "count": 2})
        liked = await show.api.post(f"{show.path}/likes", {"count": 10}, by=show.api.buyer("cat"))
        assert liked.status == 202
        # then everybody is told the sum, in few events
        await viewer.until("people", likes=70)
        await far.until("people", likes=70)
        told = [one for one in viewer.messages if one["type"] == "people"]
        gaps = [b["at_ms"] - a["at_ms"] for a, b in pairwise(told)]
        assert all(gap >= TICK_MS for gap in gaps)
    # and who comes later is shown it
    async with open_show(show.api.deployment) as late:
        late.room_id, late.path = show.room_id, show.path
        snapshot = await (await late.viewer()).until("snapshot")
    assert snapshot["people"]["likes"] == 70


async def test_too_many_likes_of_one_person_are_refused(show: Show) -> None:
    ann = show.api.buyer("ann")
    answers = [await show.api.post(f"{show.path}/likes", {"count": 20}, by=ann) for _ in range(4)]
    assert [answer.status for answer in answers][:2] == [202, 202]
    assert (answers[-1].status, answers[-1].body["code"]) == (429, "slow_down")


async def test_viewers_are_counted_on_all_workers(show: Show) -> None:
    async with open_show(show.api.deployment) as other:
        other.room_id, other.path = show.room_id, show.path
        viewer = await show.viewer()
        await viewer.until("people", online=1)
        await other.viewer()
        await other.viewer(name="ann")
        await viewer.until("people", online=3)
        await viewer.until("people", peak=3)
    # when a worker leaves, then its viewers have left, at once, and the peak stays
    await viewer.until("people", online=1, peak=3)
    found = await show.api.ask("GET", f"{show.path}/people")
    assert found.body == {"online": 1, "peak": 3, "likes": 0}


@pytest.fixture
def people(copy: RoomCopy) -> PeopleScripts:
    return copy.people


async def forget(redis: Redis, room_id: str, worker: str) -> None:
    """Make a worker's last report ten seconds older: it was killed then."""
    key = RoomKeys.of(room_id).workers_key
    count, turn, seen_ms = str(await redis.hget(key, worker)).split("|")
    await redis.hset(key, worker, f"{count}|{turn}|{int(seen_ms) - 10_000}")


async def test_the_viewers_of_a_dead_worker_are_no_peak(
    people: PeopleScripts, room_id: str, redis: Redis
) -> None:
    async def report(worker: str, viewers: int, turn: int) -> tuple[int, int]:
        answer = await people.report(room_id, Report(worker, viewers, 0, turn), tick_ms=1)
        assert answer is not None
        await asyncio.sleep(0.002)  # Redis counts in milliseconds
        return answer.people.online, answer.people.peak

    # given two workers with a hundred viewers each
    await report("a", 100, 1)
    await report("b", 100, 1)
    await report("a", 100, 2)
    await report("b", 100, 2)
    assert await report("a", 100, 3) == (200, 200)
    # when one is killed and its viewers come back to the other, then they are counted twice,
    assert await report("b", 200, 3) == (300, 200)
    assert await report("b", 200, 4) == (300, 200)
    # until its lease has ended; and never as a peak
    await forget(redis, room_id, "a")
    assert await report("b", 200, 5) == (200, 200)
    assert await report("b", 201, 6) == (201, 200)
    assert await report("b", 201, 7) == (201, 201)


async def test_likes_of_a_report_that_is_repeated_are_added_once(
    people: PeopleScripts, room_id: str
) -> None:
    for turn in (1, 1, 2, 2, 2):
        answer = await people.report(room_id, Report("a", 1, 7, turn), tick_ms=60_000)
    assert answer is not None
    assert answer.people.likes == 14


async def test_who_only_looks_tells_that_a_worker_is_gone(
    people: PeopleScripts, room_id: str, redis: Redis
) -> None:
    # given a room whose only worker was killed
    await people.report(room_id, Report("a", 5, 0, 1), tick_ms=1)
    await forget(redis, room_id, "a")
    await asyncio.sleep(0.002)
    # when the keeper looks
    answer = await people.report(room_id, NOBODY, tick_ms=1)
    # then it has no viewers, and whoever still listens is told
    assert answer is not None and answer.people.online == 0
    texts = await redis.xrevrange(RoomKeys.of(room_id).events_key, count=1)
    assert '"type":"people"' in str(texts) and '"online":0' in str(texts)


async def test_a_crash_between_sql_and_redis_is_mended_by_the_keeper(
    show: Show, stage: Deployment, copy: RoomCopy, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper = RoomKeeper(stage)
    await keeper.look()

    # given a ban that SQL has and Redis does not
    async def crash(*_args: Any) -> None:
        raise OutcomeUnknown("the worker was killed")

    with monkeypatch.context() as patch:
        patch.setattr(PeopleScripts, "bar", crash)
        await bar(show, "mute", "ann", show.host, 503)
    # when the keeper looks
    await keeper.look()
    # then Redis has it too
    assert (await say(show, "ann", "but", 403))["code"] == "muted"


async def test_who_is_banned_is_sent_away_whoever_brings_it_to_redis(
    show: Show, copy: RoomCopy, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann, bob, cat = [await show.viewer(name=name) for name in ("ann", "bob", "cat")]
    await asyncio.gather(*(viewer.until("snapshot") for viewer in (ann, bob, cat)))
    await bar(show, "mute", "dan", show.host)
    bring = PeopleScripts.bar

    # given a keeper who looks between SQL and Redis, when somebody is banned
    async def overtaken(self: PeopleScripts, *args: Any) -> Any:
        await copy.revive(show.room_id)
        return await bring(self, *args)

    with monkeypatch.context() as patch:
        patch.setattr(PeopleScripts, "bar", overtaken)
        banned = await bar(show, "ban", "ann", show.host)
        lifted = await show.api.ask(
            "DELETE", f"{show.path}/mutes/{show.person('dan')}", by=show.host
        )
    assert lifted.status == 200
    # then it is sent away all the same, and everybody is told once
    assert await ann.closed() == [CLOSES["banned"].code]
    told = await cat.until("viewer.barred", person_id=show.person("ann"), bar="ban")
    assert told["viewer"]["until_ms"] == banned["until_ms"]
    await cat.until("viewer.unbarred", person_id=show.person("dan"), bar="mute")
    # and so are two who are banned at once, whichever comes first
    await asyncio.gather(*(bar(show, "ban", name, show.api.boss) for name in ("bob", "eve")))
    assert await bob.closed() == [CLOSES["banned"].code]
    await cat.until("viewer.barred", person_id=show.person("eve"))
    assert sorted(cat.kinds()).count("viewer.barred") == 4
    assert cat.faults == []


async def test_the_keys_of_people_end_with_their_room(
    show: Show, redis: Redis, copy: RoomCopy
) -> None:
    viewer = await show.viewer()
    await say(show, "ann", "hello")
    await bar(show, "mute", "bob", show.host)
    await viewer.until("people", online=1)
    await show.act("end")
    await viewer.closed()

    async def ending() -> bool:
        keys = RoomKeys.of(show.room_id).named().values()
        left = [await redis.pttl(key) for key in keys if not key.endswith(":channel")]
        return all(ttl == -2 or ttl > 0 for ttl in left)

    await until(ending)
