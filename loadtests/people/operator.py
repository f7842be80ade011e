"""The operator during the sale: reads the books, pauses, resumes, restocks."""

import random
import secrets

from loadtests.history import Drop, Restock, Sample
from loadtests.insist import insist
from loadtests.journal import Journal
from loadtests.line import Answer, Line, Time

LOOKS_EVERY_S = 1.0


class Operator:
    def __init__(
        self, line: Line, journal: Journal, time: Time, chance: random.Random, token: str
    ) -> None:
        self._line, self._journal, self._time = line, journal, time
        self._chance, self._token = chance, token

    async def watch(self, drops: list[Drop]) -> None:
        """Read the books of each drop once, and note the counters in Redis."""
        for drop in drops:
            path = f"/v1/admin/drops/{drop.drop_id}/books"
            answer = await self._line.ask("books", "GET", path, token=self._token)
            if answer.good:
                books = answer.body["redis"]
                names = ("allotted", "available", "held", "sold", "burned")
                self._journal.note(Sample(drop.drop_id, *[int(books[name]) for name in names]))
        await self._time.sleep(LOOKS_EVERY_S)

    async def pause_and_resume(self, drop: Drop, seconds: float) -> None:
        """Stop the sale for a moment."""
        await self._verb(drop, "pause")
        await self._time.sleep(seconds)
        await self._verb(drop, "resume")

    async def beat(self, room_id: str) -> None:
        """Send the host's heartbeat, and resume the sale."""
        path = f"/v1/rooms/{room_id}/heartbeat"
        await insist(self._line, self._time, self._chance, "heartbeat", path, token=self._token)

    async def restock(self, drop: Drop, delta: int) -> None:
        """Restock once; retries have the same key."""
        restock = Restock(drop.drop_id, delta)
        key = secrets.token_hex(8)
        try:
            body = {"delta": delta, "reason": "found a box"}
            answer = await self._verb(drop, "adjust", body, key)
            unclear = not answer.status or answer.status >= 500
            restock.done = None if unclear else answer.good
        finally:
            self._journal.note(restock)

    async def _verb(self, drop: Drop, verb: str, body: object = None, key: str = "") -> Answer:
        path = f"/v1/admin/drops/{drop.drop_id}/{verb}"
        return await insist(
            self._line, self._time, self._chance, verb, path, body=body, token=self._token, key=key
        )
