"""The metrics of all processes, each under its own name."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from livesale.folders.run import run_folder
from livesale.settings import load_settings
from livesale.telemetry import briefs, metrics
from livesale.telemetry.briefs import Brief

SIBLING = """
import asyncio, sys
from pathlib import Path
from prometheus_client import Counter
from livesale.telemetry import metrics
from livesale.settings import load_settings

async def main():
    Counter("expired", "Holds", registry=metrics.REGISTRY).inc(int(sys.argv[3]))
    async with metrics.serve(load_settings(data_dir=Path(sys.argv[1])), sys.argv[2]):
        print("serving", flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


class Siblings:
    """Other processes of the same deployment."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.started: list[asyncio.subprocess.Process] = []

    async def start(self, name: str, expired: int) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", SIBLING, str(self.data_dir), name, str(expired)),
            stdout=subprocess.PIPE,
        )
        self.started.append(process)
        assert process.stdout is not None
        assert await process.stdout.readline() == b"serving\n"
        return process


@pytest.fixture
async def siblings(tmp_path: Path) -> AsyncIterator[Siblings]:
    siblings = Siblings(tmp_path)
    yield siblings
    for process in siblings.started:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def scraped(family: str) -> dict[str, float]:
    """process → value of a family with no other label."""
    found = {}
    for metric in text_string_to_metric_families((await metrics.exposition()).decode()):
        for sample in metric.samples:
            if sample.name == family:
                key = sample.labels["process"]
                assert key not in found, "two samples of one process"
                found[key] = sample.value
    return found


async def test_every_process_is_shown_under_its_name(tmp_path: Path, siblings: Siblings) -> None:
    await siblings.start("keeper", expired=7)
    await siblings.start("api-1", expired=0)
    (run_folder(tmp_path) / "redis.sock").touch()  # shares the folder, and is none of ours
    async with metrics.serve(load_settings(data_dir=tmp_path), "api-0"):
        expired = await scraped("expired_total")
        memory = await scraped("process_resident_memory_bytes")
        up = await scraped("livesale_process_up")
    assert expired["keeper"] == 7
    assert set(memory) == {"api-0", "api-1", "keeper"}
    assert min(memory.values()) > 1_000_000
    assert up == {"api-0": 1, "api-1": 1, "keeper": 1}


async def test_the_dead_are_forgotten(tmp_path: Path, siblings: Siblings) -> None:
    keeper = await siblings.start("keeper", expired=7)
    async with metrics.serve(load_settings(data_dir=tmp_path), "api-0"):
        keeper.kill()
        await keeper.wait()
        assert await scraped("expired_total") == {}
        assert set(await scraped("process_resident_memory_bytes")) == {"api-0"}
        (own,) = run_folder(tmp_path).iterdir()
        assert own.name == f"api-0.{os.getpid()}.sock"
    assert list(run_folder(tmp_path).iterdir()) == []


async def test_one_that_hangs_is_shown_as_down(tmp_path: Path, siblings: Siblings) -> None:
    keeper = await siblings.start("keeper", expired=7)
    async with metrics.serve(load_settings(data_dir=tmp_path), "api-0"):
        keeper.send_signal(signal.SIGSTOP)
        assert await scraped("livesale_process_up") == {"api-0": 1, "keeper": 0}
        keeper.send_signal(signal.SIGCONT)
        assert await scraped("livesale_process_up") == {"api-0": 1, "keeper": 1}


async def test_briefs_come_from_all_processes(tmp_path: Path, siblings: Siblings) -> None:
    keeper = await siblings.start("keeper", expired=7)
    briefs.give("test", lambda: {"route": [1, 2]})
    # given a process of an earlier release, which reads no question and answers with everything

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(msgspec.msgpack.encode(metrics.sample_own()))
        writer.close()

    async with metrics.serve(load_settings(data_dir=tmp_path), "api-0"):
        earlier = await asyncio.start_unix_server(answer, run_folder(tmp_path) / "writer.1.sock")
        async with earlier:
            keeper.send_signal(signal.SIGSTOP)
            found = await metrics.take_briefs()
            keeper.send_signal(signal.SIGCONT)
    # then each says what it can, this process first, and who hangs is named
    assert list(found) == ["api-0", "keeper", "writer"]
    assert found["api-0"].counts["test"] == {"route": [1, 2]}
    assert found["writer"] == Brief()
    assert metrics.siblings_down(found) == ["keeper does not answer"]


async def test_two_of_one_name_are_kept_apart(tmp_path: Path, siblings: Siblings) -> None:
    first = await siblings.start("writer", expired=1)
    second = await siblings.start("writer", expired=2)
    async with metrics.serve(load_settings(data_dir=tmp_path), "api-0"):
        expired = await scraped("expired_total")
    assert set(expired) == {"writer", f"writer-{max(str(first.pid), str(second.pid))}"}
    assert sorted(expired.values()) == [1, 2]


async def test_processes_meet_in_a_deep_folder_by_whatever_name(
    tmp_path: Path, siblings: Siblings, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a data folder whose sockets have paths too long for the kernel, and another temp dir
    deep = tmp_path / ("d" * 160)
    deep.mkdir()
    (tmp_path / "link").symlink_to(deep)
    siblings.data_dir = tmp_path / "other" / ".." / "link"
    (tmp_path / "other").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "other"))
    await siblings.start("writer", expired=7)
    # when this process goes by the folder's own name
    async with metrics.serve(load_settings(data_dir=deep), "api-0"):
        assert await scraped("expired_total") == {"writer": 7}
        # then both sockets are in the data folder, and nothing is in a shared one
        assert {path.name.split(".")[0] for path in run_folder(deep).iterdir()} == {
            "api-0",
            "writer",
        }
    assert list((tmp_path / "other").iterdir()) == []
