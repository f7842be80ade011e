"""The embedded cluster: made once, kept whole, and as durable as one server."""

import os
import signal
import stat
from pathlib import Path

import pytest

from livesale.deployment import embedded_cluster
from livesale.deployment.embedded_cluster import Node, Plan, make_plan, plan_of, slots_of
from livesale.deployment.opening import open_deployment
from livesale.errors import Refused
from livesale.settings import load_settings
from stock.errors import StockError
from stock.ids import keyed_rid
from stock.keyspace import Keyspace
from stock.model import Attempt, ReserveCode
from stock.topology.slots import SLOTS, slot_of
from tests.livesale.stage import open_drop
from tests.waiting import until


@pytest.mark.parametrize(("partitions", "primaries"), [(4, 3), (64, 3), (16, 8), (5, 16)])
def test_partitions_are_placed_evenly(partitions: int, primaries: int) -> None:
    plan = Plan("secret", partitions, tuple(Node(1, 2) for _ in range(2 * primaries)))
    slots = slots_of(plan)
    assert sorted(slot for some in slots for slot in some) == list(range(SLOTS))
    space = Keyspace(partitions)
    counts = [
        sum(slot_of(space.log(number)) in some for number in range(partitions))
        for some in map(set, slots)
    ]
    assert max(counts) - min(counts) <= 1
    assert len(slots) == primaries


async def test_it_is_made_once_and_outlives_its_nodes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded_cluster, "NODE_TIMEOUT_MS", 1_000)
    settings = load_settings(data_dir=tmp_path, stock__partitions=6, redis__timeout_ms=2_000)
    make_plan(settings, 3)
    make_plan(settings, 3)  # a second start
    plan = plan_of(tmp_path)
    assert plan is not None
    for path in (tmp_path / "redis").glob("*.*"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    # given a sale on it, whose answers wait for a replica
    async with open_deployment(settings, role="test") as deployment:
        assert deployment.settings.redis.durability == "replicated"
        drop_ids = [await open_drop(deployment) for _ in range(6)]
        engine = deployment.engine

        async def sell(name: str) -> None:
            """One unit of each drop, for one buyer, with a key: until each has got it."""
            for drop_id in drop_ids:
                attempt = [Attempt(keyed_rid(drop_id, name, "k"), name)]

                async def held(drop_id: str = drop_id, attempt: list[Attempt] = attempt) -> bool:
                    try:
                        batch = await engine.reserve(drop_id, attempt)
                    except StockError:
                        return False
                    return batch.outcomes[0].code in (ReserveCode.HELD, ReserveCode.REPLAYED)

                await until(held)

        await sell("ann")
        # when a primary is killed
        server = deployment.engine.topology.servers[0]
        about = await server.redis.info("server")
        os.kill(int(about["process_id"]), signal.SIGKILL)
        # then all drops sell on
        await sell("bob")
    # and it is all there when it starts again, by the word `embedded` alone
    async with open_deployment(settings, role="test") as deployment:
        for drop_id in drop_ids:
            for name in ("ann", "bob"):
                assert await deployment.engine.reservation(keyed_rid(drop_id, name, "k"))
    # and it stays what it is
    with pytest.raises(Refused, match="is a cluster of 3, and stays it"):
        make_plan(settings, 4)


def test_one_server_does_not_become_a_cluster(tmp_path: Path) -> None:
    (tmp_path / "redis").mkdir()
    with pytest.raises(Refused, match="is one server, and stays it"):
        make_plan(load_settings(data_dir=tmp_path), 3)
    with pytest.raises(Refused, match="the settings name a Redis"):
        make_plan(load_settings(data_dir=tmp_path, redis__url="redis://h"), 3)


def test_two_who_make_it_at_once_get_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load_settings(data_dir=tmp_path)
    find_ports, made = embedded_cluster._free_ports, []

    def meanwhile(count: int) -> list[int]:
        monkeypatch.undo()
        (tmp_path / "redis").rmdir()  # the other one has looked before this one made the folder
        make_plan(settings, 3)
        made.append(plan_of(tmp_path))
        return find_ports(count)

    monkeypatch.setattr(embedded_cluster, "_free_ports", meanwhile)
    make_plan(settings, 3)
    assert made == [plan_of(tmp_path)]
    assert [path.name for path in (tmp_path / "redis").iterdir()] == ["cluster.json"]


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    make_plan(load_settings(data_dir=tmp_path), 3)
    (tmp_path / "redis" / "cluster.json").write_text('{"password": ')
    with pytest.raises(Refused, match="does not say what the cluster is"):
        plan_of(tmp_path)
