"""The purchases of a line, as its admission learns of them: from SQL once, then from the log."""

from typing import Any

from redis.asyncio import Redis

from livesale.database.engine import snapshot
from livesale.draws.order import Order
from livesale.ledger import rows as ledger
from livesale.ledger.unread import LogTrimmed, read_tail
from livesale.line.admission import Admission
from livesale.line.store import DueLine, purchases_of
from livesale.resources import Deployment
from stock.entries import Reserved
from stock.line.model import LineSnapshot

PAGE = 500  # places at once


class Purchases:
    """Follows one line. Not a promise but a measure: a keeper that starts anew reads all again."""

    def __init__(self, deployment: Deployment, due: DueLine) -> None:
        self._deployment = deployment
        self._redis: Redis = deployment.redis
        self._drop_id = due.line.drop_id
        self._partition = deployment.keyspace.partition_of(self._drop_id)
        self._turn_ms, self._limit = due.line.terms.turn_ms, due.buyer_limit
        self._order: Order | None = None
        self._offset = ""
        self.told_ms = 0  # when operators were told last
        self.admission = Admission(self._turn_ms, self._limit)

    @property
    def after(self) -> int:
        """The turns that are still to be read end behind this position."""
        return self.admission.serving or -1

    async def follow(self, line: LineSnapshot) -> bool:
        """Read on up to a snapshot; False if it must be read from the beginning.

        Raises what SQL and Redis raise.
        """
        if self._order is None:
            self._order = Order(line.seed, line.n0 or 0, line.closing_id)
        for turn in line.turns:
            self.admission.note_call(turn.first, turn.until, turn.at_ms)
        if not self._offset:
            await self._begin()
        key = self._deployment.keyspace.log(self._partition)
        found: list[tuple[str, int, int]] = []
        try:
            async for entry in read_tail(self._redis, key, self._offset, line.log_id):
                if entry.drop_id == self._drop_id:
                    found += [
                        (row.buyer_id, row.quantity, entry.at_ms)
                        for row in entry.rows
                        if isinstance(row, Reserved)
                    ]
        except LogTrimmed:
            return False
        self._offset = line.log_id
        await self._note(found)
        return True

    async def _begin(self) -> None:
        async with snapshot(self._deployment.sql) as connection:
            position = await ledger.position(connection, self._partition)
            bought = await purchases_of(connection, self._drop_id)
        assert position is not None  # noqa: S101  a partition that this process uses
        self._offset = position.offset
        await self._note(bought)

    async def _note(self, bought: Any) -> None:
        places = self._deployment.keyspace.of_line(self._drop_id).places
        order = self._order
        assert order is not None  # noqa: S101  follow has made it
        for start in range(0, len(bought), PAGE):
            some = bought[start : start + PAGE]
            texts = await self._redis.hmget(places, [buyer for buyer, _, _ in some])
            for (_, units, at_ms), text in zip(some, texts, strict=True):
                if text:
                    index = int(str(text).partition("|")[0])
                    self.admission.note_hold(order.position_of(index), units, at_ms)
