"""An embedded cluster: primaries, each with a replica, all in the data folder, on this machine.

It is made once, by `livesale up --cluster N`; from then on `embedded` means it in this folder. Each
node is an embedded server of its own (`livesale.deployment.embedded`): whoever owns it starts it
again, and another process takes over. Nodes must listen on TCP, so that they reach each other: on
127.0.0.1, with a password that only this user can read.

It shows what a cluster does, and keeps its promises. It does not make one machine faster.
"""

import asyncio
import fcntl
import os
import random
import secrets
import socket
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from livesale.deployment.embedded import START_S, EmbeddedRedis
from livesale.errors import Refused
from livesale.folders.private import make_data_folder, make_private_folder, real_path
from livesale.printing.runs import runs
from livesale.settings import Settings
from stock.connection import connect
from stock.keyspace import Keyspace
from stock.topology.slots import SLOTS, slot_of

DATA_DIR = "LIVESALE__DATA_DIR"
NODE_TIMEOUT_MS = 5_000  # a node that died is started again long before
FIRST_PORT, LAST_PORT = 20_000, 32_000  # below those that Linux gives to anybody
POLL_S = 0.05


class Node(Struct, frozen=True):
    port: int
    bus_port: int


class Plan(Struct, frozen=True):
    """`cluster.json`: the first half of the nodes are primaries, the others follow them."""

    password: str
    partitions: int
    nodes: tuple[Node, ...]

    @property
    def primaries(self) -> int:
        return len(self.nodes) // 2

    @property
    def url(self) -> str:
        hosts = ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)
        return f"cluster://:{self.password}@{hosts}"


def plan_of(data_dir: Path) -> Plan | None:
    """The cluster of a data folder; None if its embedded Redis is one server, or there is none.

    Raises Refused if its file is damaged.
    """
    file = _file(data_dir)
    try:
        return msgspec.json.decode(file.read_bytes(), type=Plan)
    except FileNotFoundError:
        return None
    except msgspec.MsgspecError as error:
        problem = f"{file} does not say what the cluster is: {error}"
        raise Refused(DATA_DIR, problem, "Restore this file, or name another folder.") from None


def make_plan(settings: Settings, primaries: int) -> None:
    """Make the embedded Redis of a new data folder a cluster. Nothing is started.

    Raises Refused if the folder has another one, or the settings another Redis.
    """
    data_dir, partitions = settings.data_dir, settings.stock.partitions
    if settings.redis.url != "embedded":
        raise Refused(
            "LIVESALE__REDIS__URL",
            "--cluster starts an embedded cluster, but the settings name a Redis",
            "Leave out --cluster: cluster://host:port,host:port names your own.",
        )
    found = plan_of(data_dir)
    if found is not None and found.primaries == primaries:
        return
    folder = _file(data_dir).parent
    if found is not None or folder.exists():
        has = f"a cluster of {found.primaries}" if found else "one server"
        raise Refused(
            DATA_DIR,
            f"the embedded Redis of {folder.parent} is {has}, and stays it",
            "Name another folder by --data-dir.",
        )
    make_data_folder(real_path(data_dir))
    make_private_folder(folder)
    ports = _free_ports(4 * primaries)
    plan = Plan(
        secrets.token_hex(32),
        partitions,
        tuple(Node(*pair) for pair in zip(ports[::2], ports[1::2], strict=True)),
    )
    path = folder / f"cluster.{secrets.token_hex(4)}.new"
    path.touch(0o600)
    path.write_bytes(msgspec.json.encode(plan))
    try:
        os.link(path, _file(data_dir))
    except FileExistsError:  # of another `up` at the same time, whose nodes may run already
        make_plan(settings, primaries)
    finally:
        path.unlink()


def adapt(settings: Settings) -> Settings:
    """The settings, with answers that wait for the replica where the embedded Redis is a cluster:
    a replica takes over by itself."""
    if settings.redis.url != "embedded" or settings.redis.durability == "none":
        return settings
    if plan_of(settings.data_dir) is None:
        return settings
    replicated = settings.redis.model_copy(update={"durability": "replicated", "replicas": 1})
    return settings.model_copy(update={"redis": replicated})


@asynccontextmanager
async def embedded_cluster(data_dir: Path, plan: Plan) -> AsyncIterator[str]:
    """The URL of the cluster, whose nodes this or other processes own. Raises Refused."""
    async with AsyncExitStack() as stack:
        servers = []
        for number, node in enumerate(plan.nodes):
            name = f"node-{number}"
            config = _write_config(data_dir, name, node, plan)
            servers.append(EmbeddedRedis(data_dir, name, config, plan.password))
        for server in servers:
            await server.start()
            stack.push_async_callback(server.stop)
        await _join(data_dir, plan, servers)
        yield plan.url


def slots_of(plan: Plan) -> list[list[int]]:
    """The slots of each primary: those of the partitions in turn, the rest in equal ranges."""
    space = Keyspace(plan.partitions)
    placed = {
        slot_of(space.epoch(number)): number % plan.primaries for number in range(plan.partitions)
    }
    slots: list[list[int]] = [[] for _ in range(plan.primaries)]
    for slot in range(SLOTS):
        slots[placed.get(slot, slot * plan.primaries // SLOTS)].append(slot)
    return slots


async def _join(data_dir: Path, plan: Plan, servers: Sequence[EmbeddedRedis]) -> None:
    """Make one cluster of the nodes, unless they are one; wait until it works. One process at a
    time. Raises Refused."""
    deadline = time.monotonic() + START_S
    lock = os.open(_file(data_dir).with_name("cluster.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    talks = [connect(f"{server.url}?password={plan.password}") for server in servers]
    try:
        while not _claim(lock):
            _check(data_dir, deadline)
            await asyncio.sleep(POLL_S)
        if not await _is_formed(talks):
            await _form(plan, talks)
        while not await _works(talks):
            _check(data_dir, deadline)
            await asyncio.sleep(POLL_S)
    except (RedisError, OSError) as error:
        problem = f"the cluster in {_file(data_dir).parent} does not start: {error}"
        raise Refused(DATA_DIR, problem, "See node-0/redis.log there.") from None
    finally:
        for talk in talks:
            await talk.aclose()
        os.close(lock)


def _check(data_dir: Path, deadline: float) -> None:
    if time.monotonic() > deadline:
        problem = f"the nodes of the cluster in {_file(data_dir).parent} do not meet"
        raise Refused(DATA_DIR, problem, "See node-0/redis.log there.")


def _claim(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


async def _command(talk: Redis, *words: str | int) -> Any:
    return await talk.execute_command(*words)  # type: ignore[no-untyped-call]


async def _is_formed(talks: Sequence[Redis]) -> bool:
    """Whether every node knows all the others."""
    infos = [await _command(talk, "CLUSTER INFO") for talk in talks]
    return all(int(info["cluster_known_nodes"]) == len(talks) for info in infos)


async def _works(talks: Sequence[Redis]) -> bool:
    """Whether every slot has a primary, and every primary a replica that follows it."""
    for talk in talks:
        info, about = await _command(talk, "CLUSTER INFO"), await talk.info("replication")
        follows = about["role"] != "master" and about["master_link_status"] == "up"
        leads = about["role"] == "master" and int(about["connected_slaves"]) > 0
        if info["cluster_state"] != "ok" or not (follows or leads):
            return False
    return True


async def _form(plan: Plan, talks: Sequence[Redis]) -> None:
    """Give each primary its slots, introduce all to the first, let replicas follow."""
    for number, slots in enumerate(slots_of(plan)):
        info = await _command(talks[number], "CLUSTER INFO")
        if int(info["cluster_slots_assigned"]) == 0:
            edges = [edge for run in runs(slots) for edge in run]
            await _command(talks[number], "CLUSTER ADDSLOTSRANGE", *edges)
            await _command(talks[number], "CLUSTER SET-CONFIG-EPOCH", number + 1)
    first = plan.nodes[0]
    for talk in talks[1:]:
        await _command(talk, "CLUSTER MEET", "127.0.0.1", first.port, first.bus_port)
    for number, replica in enumerate(talks[plan.primaries :]):
        name = str(await _command(talks[number], "CLUSTER MYID"))
        while True:
            try:
                await _command(replica, "CLUSTER REPLICATE", name)
                break
            except ResponseError:  # it has not heard of it yet
                await asyncio.sleep(POLL_S)


def _file(data_dir: Path) -> Path:
    return real_path(data_dir) / "redis" / "cluster.json"


def _write_config(data_dir: Path, name: str, node: Node, plan: Plan) -> Path:
    """The settings of a node that others must not read, or that only a cluster has."""
    path = _file(data_dir).with_name(f"{name}.conf")
    path.touch(0o600)
    path.write_text(
        f"port {node.port}\nbind 127.0.0.1\ncluster-enabled yes\n"
        f"cluster-port {node.bus_port}\ncluster-node-timeout {NODE_TIMEOUT_MS}\n"
        "cluster-require-full-coverage no\nrepl-diskless-sync-delay 0\n"
        f"requirepass {plan.password}\nmasterauth {plan.password}\n"
    )
    return path


def _free_ports(count: int) -> list[int]:
    found: list[int] = []
    draw = random.SystemRandom()
    while len(found) < count:
        port = draw.randrange(FIRST_PORT, LAST_PORT)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in found:
            found.append(port)
    return found
