"""Signals and processes: who hears what, who waits for whom."""

import asyncio
import configparser
import errno
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from livesale.processes import children, signals
from livesale.processes.notify import READY, notify
from livesale.processes.processes import CATCH_UP_S, KEEPER_STOP_S, WRITER_STOP_S
from livesale.processes.sockets import listen, refuse_handshakes
from livesale.processes.supervisor import STOP_MARGIN_S
from livesale.settings import load_settings

HOUSE = Path(__file__).parents[3]
SO_LOCK_FILTER = 44

INIT = """
import ctypes, os, signal, sys, time
from pathlib import Path
from livesale.cli.init import fork_from_init

PR_SET_CHILD_SUBREAPER = 36  # orphans come here, as they come to process 1
ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
fork_from_init()
read, write = os.pipe()
if os.fork() == 0:  # the child that dies and leaves an orphan, which ends at once
    orphan = os.fork()
    if orphan:
        os.write(write, str(orphan).encode())
    os._exit(0)
os.wait()
orphan = Path("/proc", os.read(read, 20).decode())
deadline = time.monotonic() + 30
while orphan.exists():
    if time.monotonic() > deadline:
        sys.exit("a zombie stays")
    time.sleep(0.01)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
print("reaped", flush=True)
signal.pause()
"""


def test_process_1_reaps_orphans_and_passes_signals_on() -> None:
    init = subprocess.Popen([sys.executable, "-c", INIT], stdout=subprocess.PIPE, text=True)
    assert init.stdout is not None
    try:
        assert init.stdout.readline() == "reaped\n"
        init.terminate()  # to the parent only
        assert init.wait(30) == 7  # the child heard it, and its exit code is the parent's
    finally:
        init.kill()
        init.communicate()


async def test_one_signal_that_comes_twice_is_one_wish(monkeypatch: pytest.MonkeyPatch) -> None:
    stop, at_once = asyncio.Event(), asyncio.Event()
    signals.watch_signals(stop, at_once=at_once.set)
    # when it comes by two ways, then it is the first one only
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(stop.wait(), 30)
    heard = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR2, heard.set)
    os.kill(os.getpid(), signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGUSR2)
    await asyncio.wait_for(heard.wait(), 30)
    assert not at_once.is_set()
    # when somebody asks again later, then all ends at once
    monkeypatch.setattr(signals, "SAME_S", 0.0)
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(at_once.wait(), 30)


def test_a_kernel_that_allows_no_filter_still_drains() -> None:
    # given a listening socket on which the kernel refuses filters, and connections in its queue
    http = load_settings(http__port=0).http
    with listen(http) as sock:
        sock.setsockopt(socket.SOL_SOCKET, SO_LOCK_FILTER, 1)
        waiting = [socket.create_connection(sock.getsockname()) for _ in range(3)]
        # when
        refuse_handshakes(sock)
        # then those that had come can be accepted
        for client in waiting:
            sock.accept()[0].close()
            client.close()


def test_a_child_is_signalled_where_there_are_no_pidfds(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_pid: int) -> int:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(os, "pidfd_open", refuse)
    sleeper = subprocess.Popen(["sleep", "60"])
    process = children.Process(sleeper.pid)
    process.send(signal.SIGTERM)
    assert sleeper.wait(30) == -signal.SIGTERM
    process.end(-signal.SIGTERM)
    process.send(signal.SIGTERM)  # gone: its number may be another process's


@pytest.mark.parametrize("abstract", [False, True])
def test_systemd_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, abstract: bool) -> None:
    address = f"@livesale-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(address.replace("@", "\0"))
        monkeypatch.setenv("NOTIFY_SOCKET", address)
        notify(READY)
        assert systemd.recv(100) == b"READY=1"
    notify(READY)  # nobody is there any more: no fault


def test_the_unit_gives_enough_time_and_signals_the_supervisor_only() -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string((HOUSE / "deploy/livesale@.service").read_text())
    service, http = unit["Service"], load_settings().http
    longest_s = http.notice_s + http.drain_s + STOP_MARGIN_S + KEEPER_STOP_S + CATCH_UP_S
    assert float(service["TimeoutStopSec"]) >= longest_s + WRITER_STOP_S
    assert (service["KillMode"], service["Type"]) == ("mixed", "notify")
