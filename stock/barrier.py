"""Waits until replicas have all that the primary had written before.

WAIT covers what its own connection wrote. A retry writes nothing: its first attempt did, perhaps by
another connection, and may have reached no replica. So a key of the partition is always written in
between. PUBLISH, which would touch no key, is not enough: on a node of a cluster it does not go
through the stream of replication, and WAIT confirms at once.
"""

from collections.abc import Sequence
from typing import Any

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import NoScriptError, ResponseError

from stock.errors import OutcomeUnknown
from stock.scripts import Script

Command = Sequence[str | int]


class Barrier:
    """For one script `barrier`: `replicas` must confirm within `wait_ms`."""

    def __init__(self, script: Script, replicas: int, wait_ms: int) -> None:
        self._script = script
        self._replicas = replicas
        self._wait_ms = wait_ms

    def commands(self, key: str, *, by_source: bool = False) -> list[Command]:
        """What to send behind a command, on its connection. `by_source` after a NoScriptError."""
        evalsha = self._script.arrange({"barrier_key": key}, {})
        write = ["EVAL", self._script.source, *evalsha[2:]] if by_source else evalsha
        return [write, ("WAIT", self._replicas, self._wait_ms)]

    def check(self, written: Any, confirmed: Any) -> None:
        """Hold the two replies against what was asked for. Raises OutcomeUnknown."""
        for reply in (written, confirmed):
            if isinstance(reply, ResponseError):
                raise OutcomeUnknown(f"no replica could be asked: {reply}") from reply
        if int(confirmed) < self._replicas:
            raise OutcomeUnknown(
                f"{confirmed} of {self._replicas} replicas confirmed within {self._wait_ms} ms"
            )

    async def converse(self, connection: AbstractConnection, command: Command, key: str) -> Any:
        """The reply to a command, once the replicas have all that was written when it was given.

        Raises OutcomeUnknown, and what redis-py raises.
        """
        reply, *replies = await _send_all(connection, [command, *self.commands(key)])
        if isinstance(reply, ResponseError):
            raise reply  # it changed nothing: there is nothing to confirm
        if isinstance(replies[0], NoScriptError):
            replies = await _send_all(connection, self.commands(key, by_source=True))
        self.check(*replies)
        return reply


async def _send_all(connection: AbstractConnection, commands: Sequence[Command]) -> list[Any]:
    """Send in one packet; the replies, or the refusal in the place of one."""
    await connection.send_packed_command(connection.pack_commands(commands))
    replies: list[Any] = []
    for _ in commands:
        try:
            replies.append(await connection.read_response())
        except ResponseError as refusal:
            replies.append(refusal)
    return replies
