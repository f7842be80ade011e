"""Waits until replicas have everything that the primary has written so far.

WAIT covers only writes of its own connection. A retry writes nothing: its first attempt did, maybe
on another connection, and may have reached no replica. So we always write a key of the partition in
between. PUBLISH, which would touch no key, is not enough: on a cluster node it is not part of the
replication stream, and WAIT confirms at once.
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
        """The commands to send after another one. `by_source` after NoScriptError."""
        evalsha = self._script.arrange({"barrier_key": key}, {})
        write = ["EVAL", self._script.source, *evalsha[2:]] if by_source else evalsha
        return [write, ("WAIT", self._replicas, self._wait_ms)]

    def check(self, written: Any, confirmed: Any) -> None:
        """Check both replies. Raises OutcomeUnknown if too few replicas confirmed."""
        for reply in (written, confirmed):
            if isinstance(reply, ResponseError):
                raise OutcomeUnknown(f"no replica could be asked: {reply}") from reply
        if int(confirmed) < self._replicas:
            raise OutcomeUnknown(
                f"{confirmed} of {self._replicas} replicas confirmed within {self._wait_ms} ms"
            )

    async def converse(self, connection: AbstractConnection, command: Command, key: str) -> Any:
        """The reply to a command, after the replicas have everything written up to it.

        Raises OutcomeUnknown, and redis-py's errors.
        """
        reply, *replies = await _send_all(connection, [command, *self.commands(key)])
        if isinstance(reply, ResponseError):
            raise reply  # it changed nothing, so there is nothing to confirm
        if isinstance(replies[0], NoScriptError):
            replies = await _send_all(connection, self.commands(key, by_source=True))
        self.check(*replies)
        return reply


async def _send_all(connection: AbstractConnection, commands: Sequence[Command]) -> list[Any]:
    """Send all commands in one packet; returns the replies, with errors as values."""
    await connection.send_packed_command(connection.pack_commands(commands))
    replies: list[Any] = []
    for _ in commands:
        try:
            replies.append(await connection.read_response())
        except ResponseError as refusal:
            replies.append(refusal)
    return replies
