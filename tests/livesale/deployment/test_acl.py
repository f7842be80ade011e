"""The service under config/redis-users.acl: all of it works, and its user can do nothing else."""

import asyncio
import shlex
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from redis.asyncio import Redis
from redis.exceptions import NoPermissionError, ResponseError

from livesale.app import build_app
from livesale.deployment.opening import open_deployment
from livesale.deployment.scripts import ScriptLoader
from livesale.errors import Refused
from livesale.ledger.writer import Writer
from livesale.operations import readiness
from livesale.operations.audit import audit
from livesale.operations.finding import Verdict
from livesale.operations.recovery import diagnose, open_for_recovery, repair
from livesale.payments.keeper import Keeper
from livesale.resources import Deployment
from livesale.rooms.bags.keeper import BagKeeper
from livesale.rooms.keeper import RoomKeeper
from livesale.sales.archive import Archiver
from livesale.settings import Settings, config_folder, load_settings
from stock.connection import connect
from tests.livesale.api import FAR_MS, Api
from tests.livesale.rooms.conftest import Show
from tests.livesale.stage import open_drop, reserve, running, until_written
from tests.servers import Valkey
from tests.waiting import until

USERS = ("livesale", "livesale-loader", "livesale-recover")
LOOP = "local n = 0 while n < 1 do n = n + 1 end return n"


class Guarded(Valkey):
    """Says NOAUTH to whoever comes without a user: that is up."""

    def answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(self.socket))
                probe.sendall(b"PING\r\n")
                return probe.recv(16).startswith(b"-NOAUTH")
            except OSError:
                return False


def write_users(folder: Path) -> Path:
    """Our users, each with its name as password."""
    lines = (config_folder() / "redis-users.acl").read_text()
    for name in USERS:
        lines = lines.replace(f"user {name} on", f"user {name} on >{name}")
    path = folder / "users.acl"
    path.write_text(lines)
    return path


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Valkey]:
    """A Valkey with our users, and one for the test."""
    path = write_users(tmp_path)
    with path.open("a") as users:
        users.write("user tester on nopass sanitize-payload ~* &* +@all\n")
    server = Guarded("--aclfile", str(path))
    server.start()
    yield server
    server.remove()


def as_user(server: Valkey, name: str) -> str:
    return f"unix://{name}@{server.socket}?password={name}"


@pytest.fixture
async def tester(guarded: Valkey) -> AsyncIterator[Redis]:
    client = connect(as_user(guarded, "tester"))
    yield client
    await client.aclose()


@pytest.fixture
async def service(guarded: Valkey) -> AsyncIterator[Redis]:
    client = connect(as_user(guarded, "livesale"))
    yield client
    await client.aclose()


def settings_of(server: Valkey, folder: Path, **flags: Any) -> Settings:
    return load_settings(
        data_dir=folder,
        redis__url=as_user(server, "livesale"),
        stock__partitions=2,
        keeper__sweep_ms=20,
        **flags,
    )


async def denied(tester: Redis) -> list[str]:
    """What Redis refused to anybody so far: the log of the ACL."""
    entries: list[dict[str, Any]] = await tester.acl_log()
    return [f"{e['username']}: {e['reason']} {e['object']}" for e in entries]


async def sell_everything(api: Api, deployment: Deployment) -> None:
    """Every verb of the service, by HTTP where there is a route."""
    drop_id = await api.open_drop(hold_ms=600_000, ticket_required=True, buyer_limit=10)
    brief = await api.open_drop(hold_ms=1, expired_limit=0)
    path = f"/v1/drops/{drop_id}"
    rids = []
    for _ in range(3):
        ticket = (await api.post(f"{path}/tickets", by=api.buyer())).body["ticket"]
        made = await api.post(f"{path}/reservations", {"ticket": ticket}, by=api.buyer())
        assert made.status == 201, made.body
        rids.append(made.body["reservation_id"])
    assert (await api.reserve(brief)).status == 201
    assert (await api.get(f"/v1/reservations/{rids[0]}", by=api.buyer())).status == 200
    assert (await api.delete(f"/v1/reservations/{rids[0]}", by=api.buyer())).status == 200
    assert (await deployment.engine.confirm(rids[1], "pay1", 1_990)).code == "SOLD"
    adjusted = {"delta": 5, "reason": "found"}
    assert (
        await api.post(f"/v1/admin/drops/{drop_id}/adjust", adjusted, by=api.boss)
    ).status == 200
    for verb in ("pause", "resume", "close"):
        done = await api.post(f"/v1/admin/drops/{drop_id}/{verb}", by=api.boss)
        assert done.status == 200, done.body
    assert (await api.get(path)).status == 200
    assert {name async for name in deployment.engine.buyers(drop_id)} == {"ann"}
    assert (await api.get("/readyz")).body["status"] == "ready"

    async def expired() -> bool:
        return (await api.books(brief))["redis"]["available"] == 10

    await until(expired)
    await until_written(deployment)


async def show_everything(api: Api) -> None:
    """A room with a viewer, an item, and a drop that is opened in it."""
    async with aiohttp.ClientSession() as session:
        new = {"title": "Tea", "host": "host", "starts_ms": FAR_MS}
        room_id = (await api.post("/v1/rooms", new, by=api.boss)).body["room_id"]
        show = Show(api, room_id, session)
        await show.act("start")
        viewer = await show.viewer()
        drop_id = await show.drop(hold_ms=60_000)
        item = await show.act("items", {"drop_id": drop_id, "state": "on_sale"})
        await show.act(f"items/{item['item_id']}/pin")
        await show.act(f"drops/{drop_id}/open")
        await viewer.until("drop.open")
        await show.act("heartbeat")
        ann = api.buyer("ann")
        said = await show.act("comments", {"text": "hello"}, by=ann)
        taken = await api.delete(f"{show.path}/comments/{said['comment_id']}", by=ann)
        assert taken.status == 200, taken.body
        await show.act("mutes", {"person_id": show.person("ann"), "seconds": 60})
        await api.post(f"{show.path}/likes", by=ann)
        await viewer.until("people", likes=1)
        bag = await show.act("bags", {"title": "b", "places": 1, "countdown_s": 1, "coupon": "c"})
        await show.act(f"bags/{bag['bag_id']}/entries", by=api.buyer())
        await viewer.until("bag.drawn")
        gone = await api.delete(f"{show.path}/items/{item['item_id']}", by=show.host)
        assert gone.status == 200, gone.body
        await show.act("end")
        assert viewer.faults == []
        await show.close()


async def test_the_whole_service_runs_under_its_user(
    guarded: Valkey, tester: Redis, tmp_path: Path
) -> None:
    # given: the keeper may load the scripts, and the others may not
    keeper_settings = settings_of(
        guarded, tmp_path, redis__loader_url=as_user(guarded, "livesale-loader")
    )
    async with (
        open_deployment(keeper_settings, role="keeper") as keeper_side,
        open_deployment(settings_of(guarded, tmp_path), role="api") as deployment,
        running(Writer(deployment)),
        running(Keeper(keeper_side)),
        running(RoomKeeper(keeper_side)),
        running(BagKeeper(keeper_side)),
    ):
        api = Api(build_app(deployment), deployment)
        await api.start()
        try:
            # when
            before = await denied(tester)
            await sell_everything(api, deployment)
            await show_everything(api)
            checks = await audit(deployment, settle_s=10)
            after = await denied(tester)
            # and: Redis forgets its scripts in the middle of it
            drop_id = await api.open_drop()
            await tester.script_flush()
            answers = set()
            while (reply := await api.reserve(drop_id)).status != 201:
                answers.add((reply.status, reply.code))
                await asyncio.sleep(0.005)
        finally:
            await api.stop()
    # then
    assert after == before
    assert [check for check in checks if not check.ok] == []
    assert answers <= {(503, "overloaded")}
    assert set(await denied(tester)) <= {"livesale: command eval", "livesale: command script|load"}


async def test_who_may_not_load_waits_for_who_may(
    guarded: Valkey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("livesale.deployment.scripts.WAIT_S", 0.2)
    with pytest.raises(Refused, match="may not load them"):
        async with open_deployment(settings_of(guarded, tmp_path), role="api"):
            pass
    # when the keeper comes meanwhile
    monkeypatch.setattr("livesale.deployment.scripts.WAIT_S", 20)

    async def start() -> None:
        async with open_deployment(settings_of(guarded, tmp_path), role="api"):
            pass

    starting = asyncio.create_task(start())
    await asyncio.sleep(0.05)
    loader = connect(as_user(guarded, "livesale-loader"))
    settings = settings_of(guarded, tmp_path, redis__loader_url=as_user(guarded, "livesale-loader"))
    await ScriptLoader(settings, loader).load()
    await loader.aclose()
    # then
    await starting


KEY = "ls:{p00}:drop:x"


@pytest.mark.parametrize(
    "command",
    [
        "CONFIG SET appendfsync no",
        "CONFIG REWRITE",
        "CONFIG RESETSTAT",
        f"EVAL '{LOOP}' 0",
        f"EVAL_RO '{LOOP}' 0",
        f"SCRIPT LOAD '{LOOP}'",
        "SCRIPT FLUSH",
        "SCRIPT KILL",
        "FUNCTION LOAD x",
        "FLUSHALL",
        "FLUSHDB",
        "KEYS *",
        "SCAN 0",
        "RANDOMKEY",
        "DBSIZE",
        f"DEL {KEY}",
        f"EXPIRE {KEY} 1",
        f"PERSIST {KEY}",
        f"RENAME {KEY} ls:{{p00}}:drop:y",
        f"HDEL {KEY} sold",
        f"HINCRBY {KEY} available 1",
        f"DUMP {KEY}",
        f"RESTORE {KEY} 0 x",
        "XDEL ls:{p00}:log 1-1",
        "XGROUP CREATE ls:{p00}:log g 0",
        "XSETID ls:{p00}:log 9-9",
        "INCR ls:{p00}:epoch",
        "SAVE",
        "BGSAVE",
        "SHUTDOWN",
        "MONITOR",
        "REPLICAOF 127.0.0.1 1",
        "CLIENT KILL ID 1",
        "CLIENT PAUSE 1000",
        "CLIENT LIST",
        "ACL LIST",
        "ACL SETUSER livesale +@all",
        "MODULE LIST",
        "SUBSCRIBE foreign",
        "GET foreign",
        "GET ls:{r1}:room",
        "SSUBSCRIBE ls:{p00}:log",
        "DEL ls:{r1}:room",
        "SET foreign 1",
        "HSET other:{p00}:drop:x a 1",
        "GET ls:foreign",
        "PUBLISH foreign x",
    ],
)
async def test_the_service_s_user_may_not(service: Redis, tester: Redis, command: str) -> None:
    words = shlex.split(command)
    with pytest.raises(NoPermissionError):
        await service.execute_command(*words)
    assert len(await denied(tester)) == 1


async def test_doctor_finds_no_rights_to_spare(
    guarded: Valkey, service: Redis, tester: Redis, tmp_path: Path
) -> None:
    settings = settings_of(guarded, tmp_path)
    assert (await readiness.rights(service, settings)).verdict is Verdict.GOOD
    assert (await readiness.rights(tester, settings)).verdict is Verdict.NOTE


async def test_a_foreign_script_cannot_be_run_by_its_sha(service: Redis) -> None:
    with pytest.raises(ResponseError, match=r"NOSCRIPT|No matching script"):
        await service.evalsha("0" * 40, 0)


async def test_the_loader_may_load_and_nothing_else(guarded: Valkey) -> None:
    loader = connect(as_user(guarded, "livesale-loader"))
    try:
        sha = await loader.script_load(LOOP)
        for words in (
            ("EVALSHA", sha, 0),
            ("EVAL", LOOP, 0),
            ("GET", KEY),
            ("HSET", KEY, "a", 1),
            ("CONFIG", "GET", "*"),
            ("SCRIPT", "FLUSH"),
        ):
            with pytest.raises(NoPermissionError):
                await loader.execute_command(*words)
    finally:
        await loader.aclose()


async def test_nobody_comes_in_without_a_user_and_a_password(guarded: Valkey) -> None:
    for url in (f"unix://{guarded.socket}", f"unix://livesale@{guarded.socket}?password=wrong"):
        client = connect(url)
        with pytest.raises(Exception, match=r"NOAUTH|WRONGPASS|uthenticat|username-password"):
            await client.ping()
        await client.aclose()


async def test_recovery_and_archiving_run_under_their_users(
    guarded: Valkey, tester: Redis, tmp_path: Path
) -> None:
    # given a service that has sold under its user, and a finished drop
    settings = settings_of(guarded, tmp_path, redis__loader_url=as_user(guarded, "livesale-loader"))
    async with open_deployment(settings, role="keeper") as deployment, running(Writer(deployment)):
        drop_id, over = await open_drop(deployment), await open_drop(deployment)
        await reserve(deployment, drop_id, ["ann"])
        await deployment.engine.close_drop(over)
        await until_written(deployment)
        archiver = Archiver(deployment, deployment.keyspace.partition_of(over))
        archiver._after_ms = -10 * 3_600_000
        assert await archiver.archive() == 1
        # when Redis is emptied, and recovered by the user for that
        await tester.flushall()
        theirs = settings.redis.model_copy(update={"url": as_user(guarded, "livesale-recover")})
        async with open_for_recovery(settings.model_copy(update={"redis": theirs})) as own:
            for partition in range(2):
                await repair(own, await diagnose(own, partition))

        def opened() -> bool:
            return deployment.epochs == {0: 2, 1: 2} and not deployment.closed

        # then it sells again, and nobody was denied anything
        await until(opened)
        assert len(await reserve(deployment, drop_id, ["bob"])) == 1
    assert await denied(tester) == []
