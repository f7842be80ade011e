"""Addresses of Redis: what they say, and how the wrong ones are refused."""

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from livesale.tasks.pdeathsig import die_with_parent
from stock.connection import connect, hosts_of, parse
from tests.ports import free_port
from tests.servers import START_TIMEOUT_S, valkey_binary


@pytest.mark.parametrize(
    ("hosts", "sentinels"),
    [
        ("a", [("a", 26_379)]),
        ("a:1", [("a", 1)]),
        ("a:1,b", [("a", 1), ("b", 26_379)]),
        ("[::1]", [("::1", 26_379)]),
        ("[::1]:7", [("::1", 7)]),
        ("10.0.0.1:1,[2001:db8::2]:65535,[::3]", None),
        ("me:p%40ss@[::1]:7", [("::1", 7)]),
    ],
)
def test_sentinels_with_and_without_a_port(
    hosts: str, sentinels: list[tuple[str, int]] | None
) -> None:
    options, _ = parse(f"sentinel://{hosts}/shop/3")
    assert options["sentinels"] == (
        sentinels or [("10.0.0.1", 1), ("2001:db8::2", 65_535), ("::3", 26_379)]
    )
    assert options["primary"] == "shop"
    assert options["db"] == 3
    assert options.get("password") == ("p@ss" if "@" in hosts else None)


@pytest.mark.parametrize(
    "url",
    [
        "sentinel://::1/shop",
        "sentinel://::1:26379/shop",
        "sentinel://[::1/shop",
        "sentinel://[::1]x:1/shop",
        "sentinel://x[::1]:1/shop",
        "sentinel://[nonsense]:1/shop",
        "sentinel://a:/shop",
        "sentinel://a:0/shop",
        "sentinel://a:65536/shop",
        "sentinel://a:port/shop",
        "sentinel://a:-1/shop",
        "sentinel://a,,b/shop",
        "sentinel://:1/shop",
        "sentinel:///shop",
        "sentinel://a:1",
        "sentinel://a:1/shop/x",
        "redis://a:port/0",
        "redis://a:65536/0",
        "redis://[::1/0",
        "nonsense://a",
    ],
)
def test_an_address_that_cannot_be_one(url: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  each for its own reason
        parse(url)


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        ("redis://[::1]:6379/0", ["::1"]),
        ("rediss://shop.example", ["shop.example"]),
        ("unix:///tmp/s.sock", []),
        ("sentinel://[::1]:1,b/shop", ["::1", "b"]),
    ],
)
def test_the_hosts_of_an_address(url: str, hosts: list[str]) -> None:
    assert hosts_of(url) == hosts


async def test_a_sentinel_on_ipv6_says_where_the_primary_is() -> None:
    # given: a Sentinel that listens on IPv6, as its primary does
    folder = Path(tempfile.mkdtemp(prefix="livesale-"))
    try:
        with node(folder, "--bind", "::1") as primary:
            config = folder / "sentinel.conf"
            config.write_text(f"bind ::1\ndir {folder}\nsentinel monitor shop ::1 {primary} 1\n")
            with node(folder, str(config), "--sentinel") as sentinel:
                # when
                redis = connect(f"sentinel://[::1]:{free_port()},[::1]:{sentinel}/shop")
                # then
                assert await redis.set("k", "v")
                await redis.aclose()
    finally:
        shutil.rmtree(folder)


@contextmanager
def node(folder: Path, *options: str) -> Iterator[int]:
    """A server on IPv6; its port."""
    port = free_port()
    first = [option for option in options if option.endswith(".conf")]
    rest = [option for option in options if option not in first]
    command = [valkey_binary(), *first, "--port", str(port), "--dir", str(folder), *rest]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, preexec_fn=die_with_parent())
    try:
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                socket.create_connection(("::1", port), timeout=1).close()
                break
            except OSError:
                assert time.monotonic() < deadline, "the server does not listen"
                time.sleep(0.02)
        yield port
    finally:
        process.kill()
        process.wait()
