"""The engine on Redis: each verb is one EVALSHA, its faults sorted by meaning.

The calls here never use redis-py's retries: a writing command that is sent twice can take effect
twice. The caller retries, with the same rid. To distinguish "nothing was sent" from "the outcome is
unknown", the gateway takes a connection, sends, and reads, and knows which of the three failed.

A script runs only on the approved server of its partition. Every connection knows its server, so we
detect a Redis that was restarted, replaced or promoted, and a partition that has moved to another,
before the first call to it, and `on_other_server` decides whether to use it. Which server has which
partition is the topology's business: see `stock.topology.topology`, also for what is sent again.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
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
from stock.topology.router import RoutedRedis, shards_of
from stock.topology.server import Server
from stock.topology.topology import ELSEWHERE, Detour, Single, Topology

_READS = frozenset({"snapshot", "line/snapshot"})
_NOTHING_RAN = (NoScriptError, *ELSEWHERE)
_FOR_NOW = ("BUSY ", "MISCONF ", "NOREPLICAS ")  # faults of the server, for any script


class RedisEngine:
    """`stock.engine.Engine` on a Redis or Valkey server.

    `epochs` may change while it runs; 0 closes a partition to this process. With `replicas`, an
    answer needs the confirmation of so many replicas; after `wait_ms` it raises OutcomeUnknown.
    `on_other_server` is awaited with a server and its id, if that is not the approved one of the
    partition. It must call `approve`, or raise FencedOff or Unreachable; without it, any server may
    be used. It keeps some connections of the pool at hand as long as the pool lives; without
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
        self.on_other_server: Callable[[Server, str], Awaitable[None]] | None = None
        self.topology: Topology = (
            redis.topology
            if isinstance(redis, RoutedRedis)
            else Single(redis, keeps=keeps_connections)
        )
        self._server_ids = [""] * keyspace.partitions  # the approved ones
        self._met: set[str] = set()  # all that were approved, for scripts without a partition
        self._places = [
            self.topology.place_of(keyspace.epoch(number)) for number in range(keyspace.partitions)
        ]
        self._scripts = dict(scripts or load_engine())
        self._barrier = Barrier(self._scripts["barrier"], replicas, wait_ms) if replicas else None
        self.line = RedisLine(self)

    async def load_scripts(self) -> None:
        """Load every script: at start, and after SCRIPT FLUSH or a failover."""
        for shard in await shards_of(self.redis, self.keyspace):
            for script in self._scripts.values():
                await shard.redis.script_load(script.source)

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
        now_ms = await self.now_ms(partition)
        key = self.keyspace.due(partition)
        members: list[str] = await self.ask(
            "ZRANGE", key, "-inf", now_ms, "BYSCORE", "LIMIT", 0, limit
        )
        return members

    async def now_ms(self, partition: int | None = None) -> int:
        """The clock of a partition's server; without one, of the first server that answers."""
        if partition is not None:
            return _read_time(await self._ask_at(self._places[partition], ("TIME",)))
        places = dict.fromkeys(self._places)
        for place in list(places)[:-1]:
            with contextlib.suppress(Unreachable, OutcomeUnknown):
                return _read_time(await self._ask_at(place, ("TIME",)))
        return _read_time(await self._ask_at(next(reversed(places)), ("TIME",)))

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
        script, partition = self._scripts[verb], self.keyspace.partition_of(drop_id)

        def arrange() -> list[str | int]:
            # As late as possible: an approval may have closed the partition a moment ago.
            # 0 is not a valid epoch, so a partition without one in this process is fenced off.
            named = {"epoch": self.epochs.get(partition, 0), "drop_id": drop_id, **args}
            return script.arrange(keys, named, rest)

        place = self._places[partition]
        if self._barrier is None or verb in _READS:
            return await self._answer(script, place, partition, arrange)
        barrier_key = self.keyspace.barrier(partition)
        return await self._answer(script, place, partition, arrange, barrier_key)

    async def run(
        self,
        script: Script,
        keys: Mapping[str, str],
        args: Mapping[str, str | int],
        rest: Sequence[str | int] = (),
    ) -> list[Any]:
        """Run a script that is not a verb of the engine, with the same faults. Does not wait for
        replicas, because no money depends on such scripts."""
        place = self.topology.place_of(keys[script.keys[0]])
        return await self._answer(script, place, None, lambda: script.arrange(keys, args, rest))

    async def _answer(
        self,
        script: Script,
        place: int,
        partition: int | None,
        arrange: Callable[[], list[str | int]],
        barrier_key: str | None = None,
    ) -> list[Any]:
        try:
            reply: list[Any] = await self._run(place, partition, arrange, barrier_key)
        except _NOTHING_RAN as error:
            refusal = error
        else:
            return reply

        def by_source() -> list[str | int]:
            return ["EVAL", script.source, *arrange()[2:]]

        command, detour = arrange, Detour(self.topology)
        while True:
            if isinstance(refusal, NoScriptError):
                # The server lost its scripts. EVAL cannot fail in this way, and it loads the
                # script.
                command = by_source
            else:
                await _follow(detour, refusal)
            try:
                reply = await self._run(place, partition, command, barrier_key)
            except _NOTHING_RAN as error:
                refusal = error
            else:
                return reply

    async def meet_server(self, server: Server) -> None:
        """Connect to a server and approve it, without running a script.

        Raises FencedOff if it must not be used, Unreachable if there is none.
        """
        connection = await server.take()
        is_known = self.is_approved(server, connection.server_id)
        if not is_known:
            await server.drop(connection)  # it may be older than the change of servers
            connection = await server.take()
        server_id = connection.server_id
        await server.give_back(connection)
        if self.on_other_server is not None and not self.is_approved(server, server_id):
            await self.on_other_server(server, server_id)

    def partitions_of(self, server: Server) -> list[int]:
        """The partitions that a server has now."""
        places = enumerate(self._places)
        return [number for number, place in places if self.topology.server(place) is server]

    def server_id_of(self, partition: int) -> str:
        """The id of a partition's approved server; empty if it has none yet."""
        return self._server_ids[partition]

    def is_approved(self, server: Server, server_id: str) -> bool:
        """Whether a server may be used, with all partitions that it has."""
        ids = self._server_ids
        return server_id in self._met and all(
            ids[number] == server_id for number in self.partitions_of(server)
        )

    def approve(self, server_id: str, partitions: Iterable[int]) -> None:
        """Use a server, for these partitions."""
        self._met.add(server_id)
        for number in partitions:
            self._server_ids[number] = server_id

    async def _run(
        self,
        place: int,
        partition: int | None,
        arrange: Callable[[], list[str | int]],
        barrier_key: str | None,
    ) -> Any:
        # The short way, for all calls but few: a connection at hand, to the approved server.
        server = self.topology.server(place)
        connection = None if server is None else await server.take_spare()
        if (
            server is None
            or connection is None
            or partition is None
            or connection.server_id != self._server_ids[partition]
        ):
            server, connection = await self._take_approved(place, partition, server, connection)
        if self._barrier is None or barrier_key is None:
            return await self._converse(server, connection, _plain, arrange())
        talk = self._barrier.converse
        return await self._converse(server, connection, talk, arrange(), barrier_key)

    async def ask(self, *command: str | int) -> Any:
        """Send a plain read of a key."""
        return await self._ask_at(self.topology.place_of(str(command[1])), command)

    async def ask_all(self, commands: Sequence[Sequence[str | int]]) -> list[Any]:
        """Send plain reads of keys in one round trip to each server; their replies, in order. No
        key's text may have surrogates. Raises the first refusal, after all have been answered."""
        replies: list[Any] = [None] * len(commands)
        together: dict[object, list[int]] = {}
        places = [self.topology.place_of(str(command[1])) for command in commands]
        for index, place in enumerate(places):
            together.setdefault(self.topology.server(place) or place, []).append(index)

        async def ask(indices: list[int]) -> None:
            server, connection = await self._take(places[indices[0]])
            some = [commands[index] for index in indices]
            try:
                found = await self._converse(server, connection, _together, some)
            except ELSEWHERE:
                found = [await self.ask(*command) for command in some]
            for index, reply in zip(indices, found, strict=True):
                replies[index] = reply

        if len(together) == 1:
            await ask(next(iter(together.values())))
        else:
            await asyncio.gather(*[ask(indices) for indices in together.values()])
        return replies

    async def _ask_at(self, place: int, command: Sequence[str | int]) -> Any:
        detour = None
        while True:
            server, connection = await self._take(place)
            try:
                return await self._converse(server, connection, _plain, command)
            except ELSEWHERE as refusal:
                detour = detour or Detour(self.topology)
                await _follow(detour, refusal)

    async def _take(self, place: int) -> tuple[Server, Any]:
        """A connection to the primary of a place. Raises Unreachable."""
        server = self.topology.server(place)
        try:
            if server is None:
                server = await self.topology.locate(place)
            return server, await server.take()
        except RedisError as error:
            raise Unreachable(str(error)) from error
        except Unreachable:
            assert server is not None  # noqa: S101  only `take` raises it
            other = await self.topology.instead(server, place)
            if other is None:
                raise
            return other, await other.take()

    def _may_use(self, server_id: str, partition: int | None) -> bool:
        if partition is None:
            return server_id in self._met
        return server_id == self._server_ids[partition]

    async def _take_approved(
        self, place: int, partition: int | None, server: Server | None, connection: Any
    ) -> tuple[Server, Any]:
        """A connection to the approved server: the given one, or another. Raises FencedOff or
        Unreachable."""
        if server is None or connection is None:
            server, connection = await self._take(place)
        if self.on_other_server is None or self._may_use(connection.server_id, partition):
            return server, connection
        # It may be older than the change of servers. Hold no connection during the approval,
        # because the approval needs connections, too.
        await server.drop(connection)
        server, connection = await self._take(place)
        if self._may_use(connection.server_id, partition):
            return server, connection
        await server.give_back(connection)
        await self.on_other_server(server, connection.server_id)
        server, connection = await self._take(place)
        if self._may_use(connection.server_id, partition):
            return server, connection
        await server.give_back(connection)
        raise Unreachable("the server changed again while it was checked")

    async def _converse(
        self, server: Server, connection: Any, talk: Callable[..., Awaitable[Any]], *args: Any
    ) -> Any:
        """Send and read on a connection, return it to the pool, and sort the faults."""
        try:
            return await talk(connection, *args)
        except _NOTHING_RAN:
            raise
        except BusyLoadingError as error:
            raise Unreachable(str(error)) from error
        except ReadOnlyError as error:
            # A former primary. Nothing was done; the next connection finds the present one.
            await connection.disconnect(nowait=True)
            self.topology.doubt()
            raise Unreachable(str(error)) from error
        except ResponseError as error:
            raise _refusal(error) from error
        except (RedisConnectionError, RedisTimeoutError, OSError) as error:
            await connection.disconnect(nowait=True)
            self.topology.doubt()
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
            if not server.keep(connection):
                await server.pool.release(connection)


async def _follow(detour: Detour, refusal: ResponseError) -> None:
    """Prepare the next attempt. Raises Unreachable if there must be none."""
    try:
        await detour.take(refusal)
    except RedisError as error:
        raise Unreachable(str(error)) from error


def _read_time(reply: Any) -> int:
    seconds, micros = reply
    return int(seconds) * 1000 + int(micros) // 1000


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
