"""The machine: which core does what, and what the figures were taken on."""

import os
import platform
import re
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from msgspec import Struct

from tests.servers import valkey_binary

CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE = CORES[0]  # of what is measured
LOAD_CORE = CORES[-1]  # of the load and of Redis; the same where there is one core only


class Machine(Struct):
    """`load` is the load average of the last minute, before and after."""

    cpu: str
    cores: int
    system: str
    python: str
    valkey: str
    mariadb: str
    aiohttp: str
    uvloop: str
    wrk: str
    load: list[float]


def describe() -> Machine:
    return Machine(
        cpu=_first(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text()) or platform.machine(),
        cores=len(CORES),
        system=f"{platform.system()} {platform.release().partition('-')[0]}",
        python=platform.python_version(),
        valkey=_first(r"v=([\d.]+)", said(valkey_binary(), "--version")),
        mariadb=_first(r"([\d.]+)-MariaDB", said("mariadb", "--version")),
        aiohttp=version("aiohttp"),
        uvloop=version("uvloop"),
        wrk=_first(r"wrk (\S+)", said("wrk", "-v")),
        load=[load_now()],
    )


def load_now() -> float:
    return os.getloadavg()[0]


@contextmanager
def pinned(core: int) -> Iterator[None]:
    """This process, and what it starts meanwhile, on one core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def cpu_s(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def children_cpu_s() -> float:
    """User and system time so far of the children that have ended: the load's, when it is over."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def waited_s(pid: int) -> float:
    """For how long the threads of a process were ready, and others had their core."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((thread / "schedstat").read_text().split()[1]) for thread in threads) / 1e9


def said(program: str, *arguments: str) -> str:
    """What a program prints, or nothing where there is no such program."""
    try:
        done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)  # noqa: S603
    except OSError:
        return ""
    return done.stdout + done.stderr


def _first(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    return found[1].strip() if found else ""
