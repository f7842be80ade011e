"""The engine on Redis: each verb is one EVALSHA, its faults sorted by meaning.

The calls here never use redis-py's retries: a writing command that is sent twice can take effect
twice. The caller retries, with the same rid. To distinguish "nothing was sent" from "the outcome is
unknown", the gateway takes a connection, sends, and reads, and knows which of the three failed.

A script runs only on the approved server. Every connection knows its server, so we detect a Redis
that was restarted, replaced or promoted before the first call to it, and `on_other_server` decides
whether to use it.
"""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from redis.asyncio import Redis
from redis.exceptions import (
    BusyLoadingError,
    NoPermissionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)
from redis.exceptions import (
    ConnectionError as RedisConnectionError,
)
from redis.exceptions import (
    TimeoutError as RedisTimeoutError,
)

from stock.barrier import Barrier
from stock.books import Books
from stock.errors import (
    BooksBroken,
    FencedOff,
    OutcomeUnknown,
    ScriptRefused,
    ServerRefuses,
    Unreachable,
)
from stock.ids import drop_of
from stock.keyspace import DropKeys, Keyspace
from stock.line.gateway import RedisLine
from stock.model import (
    MAX_BATCH,
    MAX_BEHIND,
    MAX_UNITS,
    AdjustCode,
    ArchiveCode,
    Attempt,
    BatchOutcome,
    ConfirmCode,
    ConfirmOutcome,
    DropState,
    DropTerms,
    Grant,
    GrantCode,
    GrantOutcome,
    HoldState,
    OpenCode,
    Outcome,
    ReleaseCode,
    ReleaseOutcome,
    Reservation,
    ReserveCode,
    Snapshot,
    StateCode,
    TakeBack,
    TakeBackCode,
    check_grants,
    check_take_back,
)
from stock.records import unpack_reservation
from stock.scripts import Script, load_engine

MAX_SPARE = 4

_READS = frozenset({"snapshot", "line/snapshot"})
_FOR_NOW = ("BUSY ", "MISCONF ", "NOREPLICAS ")  # faults of the server, for any script


class RedisEngine:
    """`stock.engine.Engine` on a Redis or Valkey server.

    `epochs` may change while it runs; 0 closes a partition to this process. With `replicas`, an
    answer needs the confirmation of so many replicas; after `wait_ms` it raises OutcomeUnknown.
    `on_other_server` is awaited with the id of a server that is not `server_id`, and must set
    `server_id` to it or raise FencedOff or Unreachable; without it, any server may be used.
    It keeps some connections of the pool at hand as long as the pool lives; without
    `keeps_connections` it gives each back at once.
    """

    def __init__(
        self,
        redis: "Redis",
        keyspace: Keyspace,
        epochs: Mapping[int, int],
        scripts: Mapping[str, Script] | None = None,
        *,
        replicas: int = 0,
        wait_ms: int = 1_000,
        keeps_connections: bool = True,
    ) -> None:
        self.redis = redis
        self.keyspace = keyspace
        self.epochs = dict(epochs)
        self.server_id = ""
        self.on_other_server: Callable[[str], Awaitable[None]] | None = None
        self._pool: Any = redis.connection_pool
        # Spare connections, because taking one from the pool costs as much as a call.
        self._spare: list[Any] = []
        most = min(MAX_SPARE, self._pool.max_connections // 2)
        self._max_spare = most if keeps_connections else 0
        self._scripts = dict(scripts or load_engine())
        self._barrier = Barrier(self._scripts["barrier"], replicas, wait_ms) if replicas else None
        self.line = RedisLine(self)

    async def load_scripts(self) -> None:
        """Load every script: at start, and after SCRIPT FLUSH or a failover."""
        for script in self._scripts.values():
            await self.redis.script_load(script.source)

    async def open_drop(self, drop_id: str, terms: DropTerms) -> OpenCode:
        reply = await self._call(
            "open_drop",
            drop_id,
            {
                "opens_ms": terms.opens_ms,
                "closes_ms": terms.closes_ms,
                "hold_ms": terms.hold_ms,
                "buyer_limit": terms.buyer_limit,
                "price_fen": terms.price_fen,
                "allotted": terms.allotted,
                "expired_limit": terms.expired_limit,
                "ticket_required": int(terms.ticket_required),
                "campaign": terms.campaign,
            },
        )
        return OpenCode(reply[0])

    async def reserve(self, drop_id: str, attempts: Sequence[Attempt]) -> BatchOutcome:
        if not 1 <= len(attempts) <= MAX_BATCH:
            raise ValueError(f"a batch has 1 to {MAX_BATCH} attempts, not {len(attempts)}")
        rest: list[str | int] = []
        for attempt in attempts:
            rest += (attempt.rid, attempt.buyer_id, attempt.quantity)
        reply = await self._call("reserve", drop_id, {"tickets": _tickets_of(attempts)}, rest)
        if reply[0] != "OK":
            outcome = Outcome(ReserveCode(reply[0]))
            return BatchOutcome([outcome] * len(attempts), now_ms=0, remaining=0, buyers=0)
        return _read_batch(reply, attempts)

    async def confirm(self, rid: str, payment_id: str, amount_fen: int) -> ConfirmOutcome:
        reply = await self._call(
            "confirm",
            drop_of(rid),
            {"rid": rid, "payment_id": payment_id, "amount_fen": amount_fen},
        )
        return ConfirmOutcome(ConfirmCode(reply[0]), _record_in(rid, reply))

    async def grant(self, drop_id: str, source: str, grants: Sequence[Grant]) -> list[GrantOutcome]:
        check_grants(source, grants)
        rest: list[str | int] = []
        for grant in grants:
            rest += (grant.rid, grant.buyer_id, grant.quantity)
        reply = await self._call("grant", drop_id, {"source": quote(source)}, rest)
        if reply[0] != "OK":
            return [GrantOutcome(GrantCode(reply[0]))] * len(grants)
        outcomes: list[GrantOutcome] = []
        for grant, text in zip(grants, reply[1:], strict=True):
            code, _, packed = text.partition("|")
            record = unpack_reservation(grant.rid, packed) if packed else None
            outcomes.append(GrantOutcome(GrantCode(code), record))
        return outcomes

    async def release(self, rid: str, buyer_id: str) -> ReleaseOutcome:
        reply = await self._call("release", drop_of(rid), {"rid": rid, "buyer_id": buyer_id})
        return ReleaseOutcome(ReleaseCode(reply[0]), _record_in(rid, reply))

    async def expire(self, drop_id: str, rids: Sequence[str]) -> int:
        if not 1 <= len(rids) <= MAX_BATCH:
            raise ValueError(f"a sweep has 1 to {MAX_BATCH} rids, not {len(rids)}")
        reply = await self._call("expire", drop_id, {}, rids)
        if reply[0] == "FENCED":
            raise FencedOff(f"partition of {drop_id}")
        return int(reply[1]) if reply[0] == "OK" else 0

    async def adjust_drop(
        self, drop_id: str, adjust_id: str, delta: int, reason: str
    ) -> tuple[AdjustCode, int]:
        if delta == 0:
            raise ValueError("an adjustment of 0 units changes nothing")
        reply = await self._call(
            "adjust_drop",
            drop_id,
            {
                "adjust_id": adjust_id,
                "delta": delta,
                "max_units": MAX_UNITS,
                "reason": quote(reason),
            },
        )
        return AdjustCode(reply[0]), int(reply[1]) if len(reply) > 1 else 0

    async def take_back(self, back: TakeBack) -> tuple[TakeBackCode, int]:
        check_take_back(back)
        reply = await self._call(
            "take_back",
            drop_of(back.rid),
            {
                "rid": back.rid,
                "take_id": back.take_id,
                "units": back.units,
                "fate": back.fate.value,
                "reason": quote(back.reason),
            },
        )
        return TakeBackCode(reply[0]), int(reply[1]) if len(reply) > 1 else 0

    async def pause_drop(self, drop_id: str) -> StateCode:
        return StateCode((await self._call("switch_drop", drop_id, {"verb": "pause"}))[0])

    async def resume_drop(self, drop_id: str) -> StateCode:
        return StateCode((await self._call("switch_drop", drop_id, {"verb": "resume"}))[0])

    async def close_drop(self, drop_id: str, *, only_when_due: bool = False) -> StateCode:
        condition = "due" if only_when_due else "always"
        return StateCode((await self._call("close_drop", drop_id, {"condition": condition}))[0])

    async def archive_drop(
        self, drop_id: str, books: Books, reservations: int, offset: str, places: int = 0
    ) -> ArchiveCode:
        b = books
        keys, line = _names(self.keyspace.of_drop(drop_id)), self.keyspace.of_line(drop_id)
        reply = await self.step(
            "archive_drop",
            drop_id,
            keys | {"line_key": line.line, "places_key": line.places, "turns_key": line.turns},
            {
                "books": f"{b.allotted}|{b.available}|{b.held}|{b.sold}|{b.burned}",
                "reservations": reservations,
                "offset": offset,
                "max_entries": MAX_BEHIND,
                "places": places,
            },
        )
        return ArchiveCode(reply[0])

    async def snapshot(self, drop_id: str) -> Snapshot | None:
        reply = await self._call("snapshot", drop_id, {})
        if reply[0] != "OK":
            return None
        now_ms, epoch, log_id, buyers, reservations, state, *numbers = reply[1:]
        opens, closes, hold, limit, price, expired_limit, by_ticket, allotted, *counters = numbers
        available, held, sold, burned, campaign = counters
        campaign_id, _, most = campaign.partition("|")
        return Snapshot(
            drop_id=drop_id,
            state=DropState(state),
            terms=DropTerms(
                *(opens, closes, hold, limit, price, allotted, expired_limit, by_ticket == 1),
                *(campaign_id, int(most or 0)),
            ),
            available=available,
            held=held,
            sold=sold,
            burned=burned,
            now_ms=now_ms,
            log_id=log_id,
            epoch=epoch,
            buyers=buyers,
            reservations=reservations,
        )

    async def reservation(self, rid: str) -> Reservation | None:
        key = self.keyspace.of_drop(drop_of(rid)).reservations
        text = await self.ask("HGET", key, rid)
        try:
            return unpack_reservation(rid, text) if text else None
        except (ValueError, KeyError):
            raise ScriptRefused(f"the record of {rid} cannot be read") from None

    async def buyers(self, drop_id: str) -> AsyncIterator[str]:
        """The ids of all buyers who ever held units of a drop, a thousand per call."""
        key = self.keyspace.of_drop(drop_id).buyers
        cursor = "0"
        while True:
            cursor, page = await self.ask("HSCAN", key, cursor, "COUNT", 1000)
            for name in page[::2]:
                yield name
            if cursor == "0":
                return

    async def due(self, partition: int, limit: int) -> list[str]:
        now_ms = await self.now_ms()
        key = self.keyspace.due(partition)
        members: list[str] = await self.ask(
            "ZRANGE", key, "-inf", now_ms, "BYSCORE", "LIMIT", 0, limit
        )
        return members

    async def now_ms(self) -> int:
        seconds, micros = await self.ask("TIME")
        return int(seconds) * 1000 + int(micros) // 1000

    def _call(
        self,
        verb: str,
        drop_id: str,
        args: Mapping[str, str | int],
        rest: Sequence[str | int] = (),
    ) -> Awaitable[list[Any]]:
        return self.step(verb, drop_id, _names(self.keyspace.of_drop(drop_id)), args, rest)

    async def step(
        self,
        verb: str,
        drop_id: str,
        keys: Mapping[str, str],
        args: Mapping[str, str | int],
        rest: Sequence[str | int] = (),
    ) -> list[Any]:
        """Run a script of the engine on a drop's partition, with its epoch, as durable as it is
        asked for."""
        script = self._scripts[verb]

        def arrange() -> list[str | int]:
            # As late as possible: an approval may have closed the partition a moment ago.
            named = {"epoch": self._epoch_of(drop_id), "drop_id": drop_id, **args}
            return script.arrange(keys, named, rest)

        if self._barrier is None or verb in _READS:
            return await self._answer(script, arrange)
        return await self._answer(script, arrange, self._barrier_key(drop_id))

    async def run(
        self,
        script: Script,
        keys: Mapping[str, str],
        args: Mapping[str, str | int],
        rest: Sequence[str | int] = (),
    ) -> list[Any]:
        """Run a script that is not a verb of the engine, with the same faults. Does not wait for
        replicas, because no money depends on such scripts."""
        return await self._answer(script, lambda: script.arrange(keys, args, rest))

    async def _answer(
        self,
        script: Script,
        arrange: Callable[[], list[str | int]],
        barrier_key: str | None = None,
    ) -> list[Any]:
        try:
            reply: list[Any] = await self._run(arrange, barrier_key)
        except NoScriptError:
            # The server lost its scripts and ran nothing. EVAL cannot fail in this way, and it
            # loads the script.
            reply = await self._run(lambda: ["EVAL", script.source, *arrange()[2:]], barrier_key)
        return reply

    def _epoch_of(self, drop_id: str) -> int:
        # 0 is not a valid epoch, so a partition without one in this process is fenced off.
        return self.epochs.get(self.keyspace.partition_of(drop_id), 0)

    async def meet_server(self) -> None:
        """Connect to the present server and approve it, without running a script.

        Raises FencedOff if it must not be used, Unreachable if there is none.
        """
        await self._pool.release(await self._take_approved())

    def _barrier_key(self, drop_id: str) -> str:
        return self.keyspace.barrier(self.keyspace.partition_of(drop_id))

    async def _run(self, arrange: Callable[[], list[str | int]], barrier_key: str | None) -> Any:
        connection = await self._take_approved()
        if self._barrier is None or barrier_key is None:
            return await self._converse(connection, _plain, arrange())
        return await self._converse(connection, self._barrier.converse, arrange(), barrier_key)

    async def ask(self, *command: str | int) -> Any:
        """Send a plain read."""
        return await self._converse(await self._take(), _plain, command)

    async def ask_all(self, commands: Sequence[Sequence[str | int]]) -> list[Any]:
        """Send plain commands in one round trip; their replies, in order. No key's text may have
        surrogates. Raises the first refusal, after all have been answered."""
        return list(await self._converse(await self._take(), _together, commands))

    async def _take(self) -> Any:
        try:
            while self._spare:
                connection, lives = self._spare.pop(), False
                try:
                    lives = await self._pool.lives(connection)
                finally:
                    if not lives:
                        await self._let_go(connection)
                if lives:
                    return connection
            return await self._pool.get_connection()
        except (RedisError, OSError) as error:
            raise Unreachable(str(error)) from error

    async def _let_go(self, connection: Any) -> None:
        await connection.disconnect(nowait=True)
        await self._pool.release(connection)

    async def _take_approved(self) -> Any:
        """A connection to the approved server. Raises FencedOff or Unreachable."""
        connection = await self._take()
        if connection.server_id == self.server_id or self.on_other_server is None:
            return connection
        # It may be older than the change of servers. Hold no connection during the approval,
        # because the approval needs connections, too.
        await connection.disconnect(nowait=True)
        await self._pool.release(connection)
        connection = await self._take()
        if connection.server_id == self.server_id:
            return connection
        await self._pool.release(connection)
        await self.on_other_server(connection.server_id)
        connection = await self._take()
        if connection.server_id == self.server_id:
            return connection
        await self._pool.release(connection)
        raise Unreachable("the server changed again while it was checked")

    async def _converse(
        self, connection: Any, talk: Callable[..., Awaitable[Any]], *args: Any
    ) -> Any:
        """Send and read on a connection, return it to the pool, and sort the faults."""
        try:
            return await talk(connection, *args)
        except NoScriptError:
            raise
        except BusyLoadingError as error:
            raise Unreachable(str(error)) from error
        except ReadOnlyError as error:
            # A former primary. Nothing was done; the next connection finds the present one.
            await connection.disconnect(nowait=True)
            raise Unreachable(str(error)) from error
        except ResponseError as error:
            raise _refusal(error) from error
        except (RedisConnectionError, RedisTimeoutError, OSError) as error:
            await connection.disconnect(nowait=True)
            raise OutcomeUnknown(str(error)) from error
        except OutcomeUnknown:
            await connection.disconnect(
                nowait=True
            )  # leave an old primary instead of waiting for it
            raise
        except BaseException:
            # Cancelled in the middle: the next user of this connection must not read our reply.
            await connection.disconnect(nowait=True)
            raise
        finally:
            if len(self._spare) < self._max_spare and connection.is_connected:
                connection.used_s = time.monotonic()
                self._spare.append(connection)
            else:
                await self._pool.release(connection)


async def _plain(connection: Any, command: Sequence[str | int]) -> Any:
    return await connection.converse(tuple(command))


async def _together(connection: Any, commands: Sequence[Sequence[str | int]]) -> Any:
    return await connection.converse_all(commands)


def _names(keys: DropKeys) -> dict[str, str]:
    return {
        "epoch_key": keys.epoch,
        "drop_key": keys.drop,
        "buyers_key": keys.buyers,
        "reservations_key": keys.reservations,
        "due_key": keys.due,
        "log_key": keys.log,
        "campaigns_key": keys.campaigns,
    }


def _tickets_of(attempts: Sequence[Attempt]) -> str:
    return ",".join(
        f"{index}:{attempt.ticket.serial}:{attempt.ticket.expires_ms}"
        for index, attempt in enumerate(attempts, 1)
        if attempt.ticket is not None
    )


def _refusal(error: ResponseError) -> Exception:
    text = str(error)
    if isinstance(error, NoPermissionError) and "'eval'" in text:
        # The server lost its scripts, and this user may not load them: nothing ran.
        return Unreachable("Redis lost its scripts, and they are not loaded again yet")
    if "BOOKS of" in text:
        return BooksBroken(text)
    if isinstance(error, OutOfMemoryError | ReadOnlyError) or text.startswith(_FOR_NOW):
        return ServerRefuses(text)
    return ScriptRefused(text)


def _record_in(rid: str, reply: list[Any]) -> Reservation | None:
    return unpack_reservation(rid, reply[1]) if len(reply) > 1 else None


def _read_batch(reply: list[Any], attempts: Sequence[Attempt]) -> BatchOutcome:
    _, now_ms, remaining, expires_ms, price_fen, opens_ms, buyers, *codes = reply
    plain: dict[str, Outcome] = {}  # refusals have no further data, so one object is enough
    outcomes: list[Outcome] = []
    for attempt, code in zip(attempts, codes, strict=True):
        if code == "HELD":
            claim = Reservation(
                attempt.rid,
                HoldState.HELD,
                attempt.buyer_id,
                attempt.quantity,
                price_fen,
                expires_ms,
            )
            outcomes.append(Outcome(ReserveCode.HELD, remaining, claim))
        elif code.startswith("REPLAYED|"):
            claim = unpack_reservation(attempt.rid, code[9:])
            outcomes.append(Outcome(ReserveCode.REPLAYED, remaining, claim))
        else:
            outcome = plain.get(code)
            if outcome is None:
                outcome = plain[code] = Outcome(ReserveCode(code), remaining, None, opens_ms)
            outcomes.append(outcome)
    return BatchOutcome(outcomes, now_ms, remaining, buyers)
