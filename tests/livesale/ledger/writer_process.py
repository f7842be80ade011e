"""A writer in a process of its own, to be killed: `python -m tests.livesale.ledger.writer_process
REDIS_URL SQL_URL FOLDER`."""

import asyncio
import sys
from pathlib import Path

from livesale.ledger.writer import Writer
from stock.connection import connect
from tests.livesale.stage import open_stage, with_writer


async def main(redis_url: str, sql_url: str, folder: str) -> None:
    redis = connect(redis_url)
    async with open_stage(redis, redis_url, sql_url, Path(folder)) as stage:
        # Small batches, so that there is a middle; no trimming, so that the log can be added up.
        await Writer(with_writer(stage, max_rows=5, trim_every_ms=3_600_000)).run(asyncio.Event())


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
