"""The machine: the role of each core, and its hardware and versions."""

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
SERVER_CORE = CORES[0]  # the core of the measured process
LOAD_CORE = CORES[-1]  # the core of the load and Redis; the same one if there is only one


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
def pinned(*cores: int) -> Iterator[None]:
    """Pin this process, and the processes that it starts in the block, to these cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def cpu_s(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def ran_s(pid: int) -> float:
    """What the threads of a process have had of the cores so far, to the nanosecond."""
    return _scheduled_s(pid, 0)


def children_cpu_s() -> float:
    """User and system time of all ended children: of the load, after its end."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def waited_s(pid: int) -> float:
    """How long threads of a process were runnable but waited for a core."""
    return _scheduled_s(pid, 1)


def _scheduled_s(pid: int, field: int) -> float:
    threads = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((thread / "schedstat").read_text().split()[field]) for thread in threads) / 1e9


def said(program: str, *arguments: str) -> str:
    """The output of a program, or an empty string if it is not installed."""
    try:
        done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)  # noqa: S603
    except OSError:
        return ""
    return done.stdout + done.stderr


def _first(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    return found[1].strip() if found else ""
