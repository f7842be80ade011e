"""How far SQL is behind the log."""

import asyncio
import time

import structlog
from redis.exceptions import RedisError
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from livesale.ledger.log_end import too_new
from livesale.ledger.tables import log_offsets
from livesale.resources import Deployment
from stock.ids import START, id_key
from stock.log import LogReader

POLL_S = 0.02

log = structlog.get_logger(__name__)


async def partitions_behind(deployment: Deployment) -> dict[int, str]:
    """The partitions whose log has entries that SQL lacks, with the reason if SQL cannot take them.

    Raises RedisError or SQLAlchemyError if a store is unavailable.
    """
    behind = {}
    async with deployment.sql.connect() as connection:
        rows = (await connection.execute(select(log_offsets.c["partition", "offset"]))).all()
    offsets: dict[int, str] = {row.partition: row.offset for row in rows}
    for partition in range(deployment.keyspace.partitions):
        key = deployment.keyspace.log(partition)
        info = await LogReader(deployment.redis, key).info()
        if id_key(info.last_id) > id_key(offsets.get(partition, START)):
            behind[partition] = offsets.get(partition, START)
    stands = await too_new(deployment.redis, deployment.keyspace, behind)
    return {partition: stands.get(partition, "") for partition in behind}


async def wait_until_caught_up(deployment: Deployment, timeout_s: float) -> dict[int, str]:
    """Wait until SQL holds the whole log, at most this time; returns the partitions behind.

    Does not wait for entries that only a later version can write into SQL.
    """
    deadline = time.monotonic() + timeout_s
    behind = dict.fromkeys(range(deployment.keyspace.partitions), "")
    while True:
        try:
            behind = await partitions_behind(deployment)
        except (RedisError, SQLAlchemyError, OSError, TimeoutError) as error:
            log.warning("cannot see how far SQL is", problem=str(error))
        if all(behind.values()) or time.monotonic() > deadline:
            return behind
        await asyncio.sleep(POLL_S)
