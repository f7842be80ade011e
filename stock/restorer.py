"""Rebuilds a partition: the steps of `livesale recover` and of a promotion in Redis.

Not part of the engine: nothing here sells. Each step first compares the marker that replaces the
epoch. So if two processes restore the same partition, only the newer one continues.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import NoScriptError, ResponseError, WatchError

from stock.errors import BooksBroken, FencedOff, ScriptRefused
from stock.keyspace import Keyspace
from stock.scripts import Script, load
from stock.topology.router import client_of

PAIRS = 1_000  # pairs per call: the script unpacks them
SCAN = 1_000

_VERBS = ("stock/raise_epoch", "stock/restore_drop", "stock/restore_log", "line/restore")


class Restorer:
    """Raises FencedOff if another process has the partition, and redis.exceptions.RedisError."""

    def __init__(self, redis: "Redis", keyspace: Keyspace) -> None:
        self._redis = redis
        self._keyspace = keyspace
        self._scripts = {verb.removeprefix("stock/"): load(verb) for verb in _VERBS}

    async def fence(self, partition: int, held: str | None, token: str) -> None:
        """Replace the epoch by a marker that no engine has: nothing can be sold.

        `held` is the expected present value.
        """
        key = self._keyspace.epoch(partition)
        redis = await client_of(self._redis, key)
        async with redis.pipeline() as together:
            await together.watch(key)
            if await together.get(key) != held:
                raise FencedOff(f"the epoch of p{partition:02d} has changed meanwhile")
            together.multi()  # type: ignore[no-untyped-call]
            together.set(key, token)
            try:
                await together.execute()
            except WatchError as error:
                raise FencedOff(f"the epoch of p{partition:02d} has changed meanwhile") from error

    async def raise_epoch(self, partition: int, held: str | int, epoch: int | str) -> bool:
        """Change the partition's epoch if it has `held`; returns whether it had.

        A word as `epoch` closes it for every engine.
        """
        keys = {"epoch_key": self._keyspace.epoch(partition)}
        reply = await self._run("raise_epoch", keys, {"epoch": held, "next_epoch": epoch})
        return str(reply[0]) == "RAISED"

    async def clear(self, partition: int, token: str) -> int:
        """Remove every key of the partition except its epoch; returns how many."""
        epoch_key, removed, cursor = self._keyspace.epoch(partition), 0, 0
        pattern = self._keyspace.pattern(partition)
        redis = await client_of(self._redis, epoch_key)
        while True:
            cursor, page = await redis.scan(cursor, pattern, SCAN)
            keys = [str(key) for key in page if key != epoch_key]
            if keys:
                removed += await self._unlink(redis, partition, token, keys)
            if cursor == 0:
                return removed

    async def _unlink(self, redis: "Redis", partition: int, token: str, keys: Sequence[str]) -> int:
        epoch_key = self._keyspace.epoch(partition)
        taken = FencedOff(f"p{partition:02d} is being recovered by another")
        async with redis.pipeline() as together:
            await together.watch(epoch_key)
            if await together.get(epoch_key) != token:
                raise taken
            together.multi()  # type: ignore[no-untyped-call]
            together.unlink(*keys)
            try:
                (removed,) = await together.execute()
            except WatchError:
                raise taken from None
        return int(removed)

    async def restore_pairs(
        self,
        drop_id: str,
        token: str,
        part: str,
        pairs: Sequence[tuple[str | int, str | int]],
        *,
        reservations: int = 0,
        buyers: int = 0,
        adjustments: int = 0,
    ) -> None:
        """Write one part of a drop, in calls of 1,000 pairs; `drop` must fit into one.

        `drop` comes last, with the expected numbers of the other parts. Raises BooksBroken if its
        counters do not balance, ScriptRefused if parts are missing.
        """
        keys = self._keyspace.of_drop(drop_id)
        named = {
            "epoch_key": keys.epoch,
            "drop_key": keys.drop,
            "buyers_key": keys.buyers,
            "reservations_key": keys.reservations,
            "due_key": keys.due,
            "campaigns_key": keys.campaigns,
        }
        args: dict[str, str | int] = {
            "epoch": token,
            "drop_id": drop_id,
            "part": part,
            "reservations": reservations,
            "buyers": buyers,
            "adjustments": adjustments,
        }
        for start in range(0, len(pairs), PAIRS):
            rest = [text for pair in pairs[start : start + PAIRS] for text in pair]
            reply = await self._run("restore_drop", named, args, rest)
            if reply[0] == "FENCED":
                raise FencedOff(f"the partition of {drop_id} is being recovered by another")
            if reply[0] != "RESTORED":
                raise ScriptRefused(f"{drop_id} cannot be restored: {reply}")

    async def restore_line(
        self,
        drop_id: str,
        token: str,
        part: str,
        pairs: Sequence[tuple[str | int, str | int]],
    ) -> None:
        """Write one part of a drop's line, in calls of 1,000 pairs; `line` comes last."""
        keys = self._keyspace.of_line(drop_id)
        named = {
            "epoch_key": keys.epoch,
            "line_key": keys.line,
            "places_key": keys.places,
            "turns_key": keys.turns,
        }
        for start in range(0, len(pairs), PAIRS):
            rest = [text for pair in pairs[start : start + PAIRS] for text in pair]
            reply = await self._run("line/restore", named, {"epoch": token, "part": part}, rest)
            if reply[0] == "FENCED":
                raise FencedOff(f"the partition of {drop_id} is being recovered by another")
            if reply[0] != "RESTORED":
                raise ScriptRefused(f"the line of {drop_id} cannot be restored: {reply}")

    async def restore_log(self, partition: int, token: str, offset: str, entries: int) -> None:
        """Begin the partition's log after `offset`, as if it had been trimmed up to there."""
        keys = {
            "epoch_key": self._keyspace.epoch(partition),
            "log_key": self._keyspace.log(partition),
        }
        args: dict[str, str | int] = {"epoch": token, "offset": offset, "entries": entries}
        reply = await self._run("restore_log", keys, args)
        if reply[0] == "FENCED":
            raise FencedOff(f"partition p{partition:02d} is being recovered by another")
        if reply[0] != "RESTORED":
            raise ScriptRefused(f"the log of p{partition:02d} cannot be begun: {reply}")

    async def _run(
        self,
        verb: str,
        keys: Mapping[str, str],
        args: Mapping[str, str | int],
        rest: Sequence[str | int] = (),
    ) -> list[Any]:
        script: Script = self._scripts[verb]
        command = script.arrange(keys, args, rest)
        try:
            try:
                found = await self._redis.execute_command(*command)  # type: ignore[no-untyped-call]
            except NoScriptError:
                redis = await client_of(self._redis, next(iter(keys.values())))
                await redis.script_load(script.source)
                found = await self._redis.execute_command(*command)  # type: ignore[no-untyped-call]
        except ResponseError as error:
            if "BOOKS of" in str(error):
                raise BooksBroken(str(error)) from error
            raise
        return list(found)
