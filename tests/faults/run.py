"""`python -m tests.faults`: break the system under load for some minutes, and check every promise.

Exit code 1 when a promise was broken.
"""

import argparse
import asyncio
import secrets
import signal
import sys
import time
from pathlib import Path

import msgspec
import uvloop
from msgspec import structs
from rich.console import Console

from tests.faults import report
from tests.faults.faults import all_faults, default_kinds
from tests.faults.play import Play, Result
from tests.faults.schedule import plan
from tests.faults.system import FaultySystem

TICK_S = 1.0


def parse(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--seed", type=int, help="plays the same schedule again")
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--rate", type=float, default=700.0, help="claims a second")
    parser.add_argument("--only", nargs="*", default=[], metavar="FAULT", help="only these kinds")
    parser.add_argument("--json", action="store_true", help="one JSON object, nothing else")
    parser.add_argument("--write", type=Path, help="a file for the JSON")
    parser.add_argument("--keep-logs", type=Path, help="a folder for the logs of the processes")
    parser.add_argument("--list", action="store_true", help="the kinds of faults, and no more")
    return parser.parse_args(words)


def main(words: list[str]) -> int:
    options = parse(words)
    terminal = Console(stderr=options.json).is_terminal
    console = Console(stderr=options.json, highlight=False, width=None if terminal else 150)
    faults = all_faults()
    if options.list:
        for fault in faults.values():
            console.print(f"row {fault.kind.row:2}  {fault.kind.name}")
        return 0
    if unknown := set(options.only) - faults.keys():
        console.print(f"no such fault: {', '.join(sorted(unknown))}; see --list")
        return 2
    seed = options.seed if options.seed is not None else secrets.randbelow(2**31)
    options.seed = seed
    console.print(f"seed {seed}")
    result = uvloop.run(_run(options, console))
    data = msgspec.json.encode(result)
    if options.write:
        options.write.write_bytes(data)
    if options.json:
        print(data.decode())
    else:
        console.print(report.ending(result, faults))
    return 1 if result.violations else 0


async def _run(options: argparse.Namespace, console: Console) -> Result:
    faults = all_faults()
    # Those that are named are drawn, also when they are not by default.
    named = [structs.replace(faults[name].kind, weight=1.0) for name in options.only]
    kinds = named or default_kinds()
    rounds = plan(options.seed, options.minutes * 60, kinds)
    began = time.monotonic()
    playing = asyncio.current_task()
    assert playing is not None
    # So that nothing is left behind: servers die with us, a mounted file system does not.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, playing.cancel)

    def say(what: str) -> None:
        console.print(f"[dim]{time.monotonic() - began:7.1f} s[/]  {what}")

    async with FaultySystem() as system:
        play = Play(system, faults, options.seed, say, options.rate)
        watching = asyncio.create_task(_watch(play, console, began))
        try:
            return await play.run(rounds)
        finally:
            watching.cancel()
            if options.keep_logs:
                system.keep_logs(options.keep_logs)


async def _watch(play: Play, console: Console, began: float) -> None:
    """A line now and then; on a terminal the last line is always the present."""
    every_s = TICK_S if console.is_terminal else 5 * TICK_S
    if not console.is_terminal:
        while True:
            await asyncio.sleep(every_s)
            console.print(_line(play, began))
    with console.status("") as status:
        while True:
            status.update(_line(play, began))
            await asyncio.sleep(every_s)


def _line(play: Play, began: float) -> str:
    load, world = play.load, play.world
    broken = ", ".join(sorted(play.active)) or "nothing"
    return (
        f"[dim]{time.monotonic() - began:7.1f} s[/]  {load.acknowledged:,} acknowledged, "
        f"{sum(world.faults.values())} faults, {sum(world.kills.values())} kills, "
        f"{len(play.operators.live)} drops; broken: {broken}"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
