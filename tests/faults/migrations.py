"""`python -m tests.faults.migrations`: kill -9 `livesale migrate` at random points on MariaDB.

Every second database is empty; the others are at a random older revision and have rows in every
table. One repeat must reach head, with the right schema and every row kept. Exit code 1 if not.
"""

import argparse
import asyncio
import multiprocessing
import os
import random
import secrets
import sys
import tempfile
import time
from collections import Counter
from multiprocessing.process import BaseProcess
from pathlib import Path

from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine

from livesale.cli.app import app
from livesale.database import engine as database
from livesale.database import schema
from livesale.database.schema import progress
from tests.livesale.database.samples import Contents, contents, difference, fill_empty_tables, lost
from tests.servers import MariaDB

_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(
    ["livesale.cli.setup", "livesale.deployment.opening", "alembic.command"]
)
RUN_S = 60.0  # what one run of the command should take at most
SLOW_S = 240.0  # how much longer a repeat may take on a slow machine; it is counted


class Killing:
    """Rounds of kill and repeat on one server; `faults`: what was wrong; `counts`: what was hit."""

    def __init__(self, server: MariaDB, seed: int) -> None:
        self.server = server
        self.random = random.Random(seed)
        self.said = server.folder / "migrate.log"
        self.kills = 0
        self.faults: list[str] = []
        self.counts: Counter[str] = Counter()
        self._whole_s = {True: 0.0, False: 0.0}  # a run on an empty database; from the oldest one

    async def play(self, kills: int) -> None:
        """Kill so many runs while they work. A run that ended before its kill is played again."""
        await self._round(None, timed=True)
        await self._round(_older_revisions()[0], timed=True)
        rounds = 0
        while self.kills < kills and rounds < 5 * kills:
            rounds += 1
            await self._round(None if rounds % 2 else self.random.choice(_older_revisions()))

    async def _round(self, revision: str | None, *, timed: bool = False) -> None:
        """From a revision, or from an empty database: kill a run and repeat it; or time a run."""
        url = self.server.database()
        with tempfile.TemporaryDirectory() as folder:
            engine = database.connect(url, Path(folder), connections=2)
            try:
                before = await _prepare(engine, revision) if revision else Contents()
                killed = not await self._run(engine, url, revision, timed=timed)
                while (cut := await progress(engine)).running:  # noqa: ASYNC110  in the server
                    await asyncio.sleep(0.01)  # it ends the statement that it was given
                if killed:
                    self.kills += 1
                    self.counts[f"from {'an older revision' if revision else 'empty'}"] += 1
                    self.counts["left half done"] += not cut.is_head and cut.done > 0
                if killed or not cut.is_head:
                    where = f"{revision} → {cut.revision} and {cut.done} steps"
                    await self._repeat(engine, url, before, where)
            finally:
                await engine.dispose()
        self.server.execute(f"DROP DATABASE {url.partition('?')[0].rpartition('/')[2]}")

    async def _run(
        self, engine: AsyncEngine, url: str, revision: str | None, *, timed: bool
    ) -> bool:
        """Run the command, and kill it while it works unless it is timed. Whether it ended."""
        process = _livesale_migrate(url, self.said)
        began = None
        async with asyncio.timeout(RUN_S), engine.connect() as connection:
            while began is None and process.is_alive():
                if await connection.scalar(text(f"SELECT IS_USED_LOCK({schema.LOCK_NAME})")):
                    began = time.monotonic()
        if timed:
            process.join(SLOW_S)
            self._whole_s[revision is None] = time.monotonic() - (began or time.monotonic())
            return True
        older = _older_revisions()
        share = 1 - older.index(revision) / len(older) if revision else 1.0
        process.join(self.random.random() * share * self._whole_s[revision is None])
        ended = not process.is_alive()
        process.kill()
        process.join()
        return ended

    async def _repeat(self, engine: AsyncEngine, url: str, before: Contents, where: str) -> None:
        process = _livesale_migrate(url, self.said)
        process.join(RUN_S)
        if process.exitcode is None:
            self.counts["repeated slowly"] += 1
            process.join(SLOW_S)
        if process.exitcode != 0:
            process.kill()
            self.faults.append(f"{where}: exit {process.exitcode}: {self.said.read_text()[-400:]}")
            return
        async with engine.connect() as connection:
            differs = await connection.run_sync(difference)
            missing = lost(before, await connection.run_sync(contents))
        if not (await progress(engine)).is_head or differs or missing:
            self.faults.append(f"{where}: {differs or missing or 'not at head'}")


def _older_revisions() -> list[str]:
    return [script.revision for script in schema._pending(None) or []][:-1]


async def _prepare(engine: AsyncEngine, revision: str) -> Contents:
    """Bring a database to an older revision, with rows in every table."""

    def fill(connection: Connection) -> Contents:
        schema._migrate(connection, revision)
        fill_empty_tables(connection, rows=20)
        return contents(connection)

    async with engine.begin() as connection:
        return await connection.run_sync(fill)


def _livesale_migrate(url: str, said: Path) -> BaseProcess:
    """The command in a process of its own, forked from one that has imported everything."""
    process = _forks.Process(target=_run_command, args=(url, said), daemon=True)
    process.start()
    return process


def _run_command(url: str, said: Path) -> None:
    with said.open("wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.argv = ["livesale", "migrate", "--sql", url]
    app()


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.migrations", description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=None, help="draws the same points again")
    options = parser.parse_args(words)
    seed = options.seed if options.seed is not None else secrets.randbelow(2**31)
    server = MariaDB()
    try:
        server.start()
        killing = Killing(server, seed)
        asyncio.run(killing.play(options.kills))
    finally:
        server.remove()
    counted = ", ".join(f"{count} {name}" for name, count in sorted(killing.counts.items()))
    print(f"seed {seed}: {killing.kills} kills ({counted}), {len(killing.faults)} not healed")
    for fault in killing.faults:
        print(f"  {fault}")
    if not killing.counts["left half done"]:
        print("no kill left a database half done: nothing was tested")
        return 1
    return 1 if killing.faults or killing.kills < options.kills else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
