"""The load tools' address: only this machine, unless its owner speaks up."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from loadtests.target import (
    VARIABLE,
    Target,
    TargetAway,
    TargetRefused,
    check_answers,
    parse_target,
)
from tests.ports import free_port

ELSEWHERE = "192.0.2.7"  # of the addresses kept for documentation: nobody has it


@pytest.fixture(autouse=True)
def _no_owner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://127.9.9.9:8080/", "http://127.9.9.9:8080"),
        ("http://LOCALHOST", "http://localhost"),
        ("http://localhost.:81", "http://localhost:81"),
        ("https://[::1]:8443", "https://[::1]:8443"),
        ("https://127.0.0.1:443", "https://127.0.0.1"),
    ],
)
def test_this_machine_is_a_target(url: str, origin: str) -> None:
    assert parse_target(url).url == origin


@pytest.mark.parametrize(
    "url",
    [
        f"http://{ELSEWHERE}:8080",
        f"https://{ELSEWHERE}",
        "http://0.0.0.0:8080",
        "http://[2001:db8::1]",
        "http://10.0.0.1",
        "http://[::ffff:192.0.2.7]",
    ],
)
def test_another_host_is_refused_in_one_line(url: str) -> None:
    with pytest.raises(TargetRefused, match="--i-own-this-host") as refused:
        parse_target(url)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "127.0.0.1:8080",
        "localhost",
        "ftp://127.0.0.1",
        "http://",
        "http://:80",
        "http://127.0.0.1:0",
        "http://127.0.0.1:99999",
        "http://127.0.0.1:http",
        "http://127.0.0.1/v1",
        "http://127.0.0.1?x=1",
        "http://127.0.0.1#x",
        f"http://127.0.0.1@{ELSEWHERE}",
        f"http://{ELSEWHERE}\\@127.0.0.1",
        "http://[::1",
        "http://127.0.0.1\r\nHost: x",
        "http://no-such-name.invalid",
    ],
)
def test_what_is_no_address_is_refused_in_one_line(url: str) -> None:
    with pytest.raises(TargetRefused) as refused:
        parse_target(url)
    assert "\n" not in str(refused.value)


def test_the_owner_names_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    assert parse_target(f"http://{ELSEWHERE}:81", [ELSEWHERE]) == Target("http", ELSEWHERE, 81)
    assert parse_target("https://shop.invalid", ["SHOP.invalid"]).url == "https://shop.invalid"
    assert parse_target("http://[2001:db8::1]", ["2001:DB8::1"]).host == "2001:db8::1"
    # another host is not meant by it
    with pytest.raises(TargetRefused):
        parse_target(f"http://{ELSEWHERE}", ["192.0.2.8", "shop.invalid", ""])
    # the environment speaks for him, too
    monkeypatch.setenv(VARIABLE, f"shop.invalid, {ELSEWHERE}")
    assert parse_target(f"http://{ELSEWHERE}").host == ELSEWHERE


def test_a_name_is_refused_if_one_of_its_addresses_is_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def resolve(*_: object, **__: object) -> list[tuple[object, ...]]:
        return [
            (socket.AF_INET, 1, 6, "", ("127.0.0.1", 80)),
            (socket.AF_INET, 1, 6, "", (ELSEWHERE, 80)),
        ]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with pytest.raises(TargetRefused, match="two-faced"):
        parse_target("http://two-faced.example")


def test_a_service_that_lives_is_there() -> None:
    with _answering(b'HTTP/1.1 200 OK\r\nContent-Length: 18\r\n\r\n{"status":"alive"}') as target:
        check_answers(target)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "GET /livez gave 404"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "is not livesale"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "does not speak HTTP"),
        (b"", "does not speak HTTP"),
    ],
)
def test_another_service_is_not_taken_for_ours(answer: bytes, why: str) -> None:
    with _answering(answer) as target, pytest.raises(TargetAway, match=why):
        check_answers(target)


def test_nobody_there_is_one_line() -> None:
    target = Target("http", "127.0.0.1", free_port())
    with pytest.raises(TargetAway, match="cannot be reached") as away:
        check_answers(target)
    assert "\n" not in str(away.value)


def test_silence_is_not_waited_for_for_ever() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        target = Target("http", "127.0.0.1", mute.getsockname()[1])
        with pytest.raises(TargetAway, match=r"within 0\.2 s"):
            check_answers(target, timeout_s=0.2)


@contextmanager
def _answering(answer: bytes) -> Iterator[Target]:
    """A server that gives one connection this answer and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            client, _ = server.accept()
            with client:
                client.recv(65_536)
                client.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield Target("http", "127.0.0.1", server.getsockname()[1])
        thread.join()
