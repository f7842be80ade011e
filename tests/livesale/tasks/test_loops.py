"""Every background loop of the service meets a fault: it is counted, named, and goes on.

All of them at once, in one process: the API, the writer, the keepers, the supervisor.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis
from structlog.testing import capture_logs

import livesale.alerts.webhook
import livesale.payments.keeper
import livesale.processes.roles
import livesale.rooms.channel.channel
import livesale.rooms.channel.channels
import livesale.telemetry.metrics
from livesale.alerts.webhook import AlertSender
from livesale.app import PARTS, build_app
from livesale.catalogue.imports.keeper import ImportKeeper
from livesale.catalogue.stock_moves.keeper import StockKeeper
from livesale.cockpit.cockpit import Cockpit
from livesale.cockpit.keeper import GlanceKeeper
from livesale.deployment.embedded import EmbeddedRedis
from livesale.deployment.watchman import Watchman
from livesale.ledger.leases import Leases
from livesale.ledger.partition_writer import PartitionWriter
from livesale.ledger.writer import Writer
from livesale.line.keeper import LineKeeper
from livesale.notices.ending import EndingHolds
from livesale.notices.log_follower import LogFollower
from livesale.notices.refund_follower import RefundFollower
from livesale.operations.checks.keeper import CheckKeeper
from livesale.orders.keeper import OrderKeeper
from livesale.orders.wechat.sender import ShippingSender
from livesale.payments.keeper import Keeper
from livesale.processes.roles import _Keepers
from livesale.processes.supervisor import Child, Supervisor
from livesale.reminders.sender import ReminderSender
from livesale.resources import Deployment
from livesale.rooms.bags.keeper import BagKeeper
from livesale.rooms.channel.channel import Channel
from livesale.rooms.channel.channels import Channels
from livesale.rooms.channel.hosts import HostSockets
from livesale.rooms.director import Director
from livesale.rooms.history.keeper import CommentKeeper
from livesale.rooms.keeper import RoomKeeper
from livesale.rooms.numbers.visits import Visits
from livesale.rooms.people.presence import Presence
from livesale.seeds.keeper import Seeds
from livesale.tasks import TABLE, errand
from livesale.tasks.clock import Clock
from stock.errors import Unreachable
from tests.livesale.api import FAR_MS, Api
from tests.livesale.operations.test_health import readyz
from tests.livesale.stage import open_stage, running
from tests.livesale.tasks.names import HOUSE, JOBS, loops
from tests.servers import Valkey

# The name of each loop, and the function that is its step or its body.
BROKEN: dict[str, tuple[Any, str]] = {
    "child": (Supervisor, "_keep"),
    "clock": (Clock, "_follow"),
    "checks: run": (CheckKeeper, "step"),
    "cockpit: look": (GlanceKeeper, "step"),
    "cockpit: tell": (Cockpit, "_keep_telling"),
    "embedded redis": (EmbeddedRedis, "_watch"),
    "lucky bags": (BagKeeper, "step"),
    "lines": (LineKeeper, "step"),
    "stock: follow": (StockKeeper, "step"),
    "goods: import": (ImportKeeper, "step"),
    "alerts: tell": (AlertSender, "step"),
    "alerts: forget": (AlertSender, "_forget"),
    "metrics: loop lag": (livesale.telemetry.metrics, "_watch_loop"),
    "archive": (Keeper, "_archive"),
    "forget actions": (Keeper, "_forget"),
    "notices: ending": (EndingHolds, "step"),
    "notices: log": (LogFollower, "run"),
    "notices: refunds": (RefundFollower, "step"),
    "orders: addresses": (OrderKeeper, "_keep_sealing"),
    "orders: cases": (OrderKeeper, "_keep_deciding"),
    "orders: receipts": (OrderKeeper, "_keep_receiving"),
    "orders: take backs": (OrderKeeper, "_keep_returning"),
    "orders: wechat": (ShippingSender, "_keep_sending"),
    "prepays": (Keeper, "_settle_money"),
    "refunds": (Keeper, "_settle_money"),
    "scripts": (livesale.payments.keeper, "_load"),
    "sweep": (Keeper, "_sweep"),
    "reminders: send": (ReminderSender, "_keep_sending"),
    "reminders: tidy": (ReminderSender, "_keep_tidy"),
    "seeds: hold": (Seeds, "_keep_holding"),
    "seeds: plant": (Seeds, "_keep_planting"),
    "seeds: play": (Seeds, "_keep_playing"),
    "room: send": (Channel, "_keep_sending"),
    "comments: copy": (CommentKeeper, "_keep_copying"),
    "comments: forget": (CommentKeeper, "_forget"),
    "rooms: check": (Channels, "_check"),
    "rooms: director": (Director, "run"),
    "rooms: heal": (Channels, "_bring_up"),
    "rooms: hosts": (HostSockets, "_look"),
    "rooms: operators": (HostSockets, "_check"),
    "rooms: listen": (Channels, "_listen"),
    "rooms: people": (Presence, "_keep_reporting"),
    "rooms: tell": (Director, "_keep_telling"),
    "rooms: visits": (Visits, "_keep_telling"),
    "rooms: watch": (RoomKeeper, "_watch"),
    "watchman": (Watchman, "_watch"),
    "writer": (PartitionWriter, "run"),
    "keeper: sign of life": (Keeper, "_show_life"),
    "keeper: leases": (Leases, "_look"),
    "writer: leases": (Leases, "_look"),
    "writer: sign of life": (Writer, "_show_life"),
}
COUNTING = "metrics: shortcuts"
WORK_ONCE = {Leases}  # without a lease there are no partitions to work on
INNER = {"rooms: tell", "rooms: heal"}  # begin only when the loops that begin them work


class Defect(Exception):
    """What no code foresees."""


class Faults:
    """Breaks functions until they are mended."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.monkeypatch = monkeypatch
        self.mended = asyncio.Event()

    def break_(self, owner: Any, name: str) -> None:
        whole: Callable[..., Awaitable[Any]] = getattr(owner, name)
        begun: set[int] = set()

        async def broken(*args: Any) -> Any:
            is_first = owner in WORK_ONCE and id(args[0]) not in begun
            begun.add(id(args[0]) if args else 0)
            if not self.mended.is_set() and not is_first:
                raise Defect(name)
            return await whole(*args)

        self.monkeypatch.setattr(owner, name, broken)


class Counter:
    """A metric that cannot be counted up until the faults are mended."""

    def __init__(self, faults: Faults) -> None:
        self.faults = faults

    def inc(self, _by: int) -> None:
        if not self.faults.mended.is_set():
            raise Defect("inc")


class Quiet:
    """A messenger that is never asked for anything."""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        yield


class Born:
    """A process that does not end, and a nursery that bears it."""

    pid, returncode = 4_194_304, None

    async def spawn(self, _command: Any) -> "Born":
        return self

    async def wait(self) -> int:
        await asyncio.Event().wait()
        return 0

    def send(self, _number: Any) -> None:
        pass


def test_no_loop_is_left_out() -> None:
    assert loops() == BROKEN.keys() | JOBS | {COUNTING}


def test_the_run_book_says_of_each_loop_what_its_faults_mean() -> None:
    page = (HOUSE / "docs/operations.md").read_text()
    _, _, section = page.partition("### LivesaleTaskDown")
    rows = [row for row in section.partition("### ")[0].splitlines() if row.startswith("| `")]
    named = [name.strip("` ") for row in rows for name in row.split("|")[1].split(",")]
    assert sorted(named) == sorted(loops())


async def test_every_loop_is_counted_and_named_while_it_fails_and_goes_on(
    redis: Redis,
    redis_server: Valkey,
    sqlite_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # given the whole service in one process, each of its loops broken
    monkeypatch.setattr(TABLE, "_lines", {})
    monkeypatch.setattr(livesale.payments.keeper, "ARCHIVE_EVERY_S", 0.05)
    monkeypatch.setattr(livesale.payments.keeper, "FORGET_EVERY_S", 0.05)
    monkeypatch.setattr(livesale.alerts.webhook, "TIDY_EVERY_S", 0.05)
    monkeypatch.setattr(livesale.rooms.channel.channels, "CHECK_S", 0.05)
    monkeypatch.setattr("livesale.rooms.history.keeper.FORGET_EVERY_S", 0.05)
    monkeypatch.setattr("livesale.reminders.sender.BUSY_FIRST_S", 0.05)
    monkeypatch.setattr("livesale.reminders.feature.make_messenger", lambda _: Quiet())
    monkeypatch.setattr("livesale.orders.feature.make_shipping", lambda _: Quiet())
    faults, later = Faults(monkeypatch), Faults(monkeypatch)
    inner = {BROKEN[name] for name in INNER}
    for owner, name in set(BROKEN.values()) - inner:
        faults.break_(owner, name)
    for owner, name in inner:
        later.break_(owner, name)
    monkeypatch.setattr("livesale.sales.queue.SOLD_OUT_SHORTCUTS", Counter(faults))
    flags = {"redis__loader_url": redis_server.url, "seeds__on": True}
    async with AsyncExitStack() as parts:
        parts.enter_context(capture_logs())  # two dozen tracebacks
        stage = await parts.enter_async_context(
            open_stage(redis, redis_server.url, sqlite_url, tmp_path, **flags)
        )
        api = await parts.enter_async_context(whole_service(stage, tmp_path, monkeypatch))
        parts.callback(faults.mended.set)  # first of all, whatever happens
        first = loops() - JOBS - INNER
        errand("test", open_a_room(api), awaited=True)

        # then each of them is named, and the service is ready all the same
        await until(lambda: first - TABLE.down().keys())
        status, body = await readyz(api)
        assert (status, body["status"], body["tasks"]["ok"]) == (200, "degraded", False)
        named = {part.partition(" (")[0] for part in body["tasks"]["detail"].split("; ")}
        assert first <= named

        # and: all work again when the faults are gone, those that begin only now as well
        faults.mended.set()
        await until(lambda: TABLE.down().keys() ^ INNER)
        later.mended.set()
        await until(TABLE.down)
        for name in first | INNER:
            line = TABLE.line(name)
            assert (line.failures > 0, line.restarts > 0) == (True, True), name
        channel = await api.app[PARTS][Channels].open(api.room_id)  # type: ignore[attr-defined]
        assert channel.known
        assert (await readyz(api))[1]["tasks"]["ok"]


async def until(left: Callable[[], Collection[str]]) -> None:
    """Wait until nothing is left; says what was, after half a minute."""
    for _ in range(1_000):
        if not left():
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"still waiting for {sorted(left())}")


@asynccontextmanager
async def whole_service(
    stage: Deployment, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Api]:
    async def up(*_: Any) -> None:
        pass

    monkeypatch.setattr(Supervisor, "_wait_until_up", up)
    async with AsyncExitStack() as parts:
        await parts.enter_async_context(livesale.telemetry.metrics.serve(stage.settings, "all"))
        await parts.enter_async_context(Watchman(stage).watching())
        await parts.enter_async_context(running(Writer(stage)))
        await parts.enter_async_context(running(_Keepers(stage, CollectorRegistry())))
        embedded = EmbeddedRedis(folder / "embedded")
        await embedded.start()
        parts.push_async_callback(embedded.stop)
        nursery: Any = Born()
        supervisor = Supervisor(stage.settings, [Child("test", ["test"], stop_s=1.0)], nursery)
        await supervisor.start()
        parts.push_async_callback(supervisor._tasks.close)
        api = Api(build_app(stage), stage)
        await api.start()
        parts.push_async_callback(api.stop)
        yield api


async def open_a_room(api: Api) -> None:
    body = {"title": "Tea time", "host": "host", "starts_ms": FAR_MS}
    made = await api.post("/v1/rooms", body, by=api.boss)
    assert made.status == 201, made.body
    api.room_id = made.body["room_id"]  # type: ignore[attr-defined]
    with suppress(Unreachable):  # its channel cannot be brought up while the loops are broken
        await api.app[PARTS][Channels].open(api.room_id)  # type: ignore[attr-defined]
