"""The closed loop: each connection sends its next request after the answer. Uses wrk if installed.

Otherwise our own generator gets a rate far above what any server here answers, so each connection
always has one request in flight. It needs more of the core that it shares with Redis than wrk.
"""

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct, structs

from loadtests.open_loop.processes import Plan, run
from loadtests.target import parse_target

CONNECTIONS = 128  # unless a cell has more
MORE_THAN_ANY = 100_000.0
TIMEOUT_S = 10.0
SCRIPT = Path(__file__).with_name("reservations.lua")

_REQUESTS = re.compile(r"(\d+) requests in ([\d.]+)(m?s)")
_REFUSED = re.compile(r"Non-2xx or 3xx responses: (\d+)")


class Shot(Struct, frozen=True):
    """The number of answers, and of those other than 2xx."""

    requests: int
    refused: int
    elapsed_s: float

    @property
    def per_s(self) -> float:
        return self.requests / self.elapsed_s


class Tokens(Struct, frozen=True):
    """The same tokens in memory and in a file for wrk."""

    all: Sequence[str]
    path: Path


def has_wrk() -> bool:
    return shutil.which("wrk") is not None


def get(url: str, seconds: int, connections: int = CONNECTIONS) -> Shot:
    """GET the root. Raises RuntimeError if the network failed."""
    if has_wrk():
        return _wrk(url, seconds, connections)
    return _generator(Plan(parse_target(url), MORE_THAN_ANY, seconds, connections=connections))


def reserve(
    url: str,
    drop_id: str,
    tokens: Tokens,
    seconds: int,
    first: int = 0,
    connections: int = CONNECTIONS,
) -> Shot:
    """Buyers reserve one unit each, from number `first` on, because no buyer may repeat.

    Raises RuntimeError if the network failed.
    """
    if has_wrk():
        arguments = ("--", drop_id, str(tokens.path), drop_id, str(first))
        return _wrk(url, seconds, connections, "-s", str(SCRIPT), url, *arguments)
    plan = Plan(
        parse_target(url),
        MORE_THAN_ANY,
        seconds,
        connections=connections,
        drop_id=drop_id,
        tokens=[*tokens.all[first:], *tokens.all[:first]],
    )
    return _generator(plan)


def _wrk(url: str, seconds: int, connections: int, *command: str) -> Shot:
    options = ("-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", f"{TIMEOUT_S:g}s")
    wrk = ["wrk", *options, *(command or (url,))]
    done = subprocess.run(wrk, capture_output=True, text=True, check=True)  # noqa: S603  ours
    found = _REQUESTS.search(done.stdout)
    if found is None or found[1] == "0" or "Socket errors" in done.stdout:
        raise RuntimeError(f"wrk and {url}:\n{done.stdout}")
    refused = _REFUSED.search(done.stdout)
    elapsed_s = float(found[2]) / (1000 if found[3] == "ms" else 1)
    return Shot(int(found[1]), int(refused[1]) if refused else 0, elapsed_s)


def _generator(plan: Plan) -> Shot:
    result = run(structs.replace(plan, timeout_s=TIMEOUT_S, patient=False))
    if result.never.keys() - {"not sent"}:
        raise RuntimeError(f"the generator and {plan.target.url}: {result.never}")
    good = sum(found.count for name, found in result.answers.items() if name.startswith("2"))
    return Shot(result.answered, result.answered - good, result.answered / result.answered_per_s)
