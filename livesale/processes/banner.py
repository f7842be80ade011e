"""The text that `livesale up` prints when it is up."""

import os
import shutil
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from livesale.printing.wording import counted
from livesale.settings import Settings

_IMPORTED_S = time.monotonic()
_BOLD, _DIM, _GREEN, _OFF = "\x1b[1m", "\x1b[2m", "\x1b[32m", "\x1b[0m"


def banner(
    settings: Settings, roles: Iterable[str], workers: int, start_s: float, link: str = ""
) -> str:
    """A few lines: the addresses, the data, the next commands. `link` logs in to the console."""
    colours = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    bold, dim, green, off = (_BOLD, _DIM, _GREEN, _OFF) if colours else ("", "", "", "")
    url = url_of(settings)
    others = [role for role in ("writer", "keeper") if role in roles]
    processes = " + ".join([counted(workers, "API worker"), *others])
    stores = (("Valkey", settings.redis.url), ("SQLite", settings.sql.url))
    embedded = " and ".join(name for name, address in stores if address == "embedded")
    where = f"{settings.data_dir.resolve()}" if embedded else "in your own stores"
    note = f"   {dim}embedded {embedded}, durable{off}" if embedded else ""
    once = f"   {dim}logs in once, within ten minutes{off}" if link else ""
    livesale = program()
    lines = [
        f"{green}●{off} {bold}livesale is up{off} at {bold}{url}{off}"
        f"   {dim}{processes}, ready in {start_s:.1f} s{off}",
        "",
        f"  shop     {bold}{url}/shop{off}   {dim}narrow the window: it is a phone's page{off}",
        f"  console  {bold}{url}/console{f'#login={link}' if link else ''}{off}{once}",
        f"  API      {url}/docs",
        f"  metrics  {url}/metrics",
        f"  data     {where}{note}",
        "",
        f"  a buyer's token      {livesale} token --buyer alice",
        f"  an operator's token  {livesale} token --operator bob",
        f"  a drop               {livesale} drop create --help",
        f"  a crowd that buys    {livesale} demo   {dim}on stores of its own{off}",
        "",
        f"  {dim}Ctrl-C stops it: requests in flight are answered, then SQL catches up.{off}",
    ]
    return "\n".join(lines)


def url_of(settings: Settings) -> str:
    """The URL for a browser on this machine."""
    host = settings.http.host
    if host in ("0.0.0.0", "::", ""):  # noqa: S104  compared, not bound
        host = "127.0.0.1"
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.http.port}"


def program() -> str:
    """How to call `livesale` here: its path if the shell would not find it, or find another."""
    ours = Path(sys.executable).with_name("livesale")
    found = shutil.which("livesale")
    if found is not None and (not ours.exists() or Path(found).resolve() == ours.resolve()):
        return "livesale"
    if not ours.exists():
        return f"{sys.executable} -m livesale"
    here = Path.cwd()
    if not ours.is_relative_to(here):
        return str(ours)
    near = str(ours.relative_to(here))
    return near if "/" in near else f"./{near}"  # the shell searches a bare name only on PATH


def age_s() -> float:
    """How long this process has been running, imports included."""
    try:
        started_ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    except OSError:  # no /proc here: the time of the first imports is missing
        return time.monotonic() - _IMPORTED_S
    return time.clock_gettime(time.CLOCK_BOOTTIME) - started_ticks / os.sysconf("SC_CLK_TCK")
