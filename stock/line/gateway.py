"""Lines on Redis: each verb is one EVALSHA of a script in `lua/line/`."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from msgspec.structs import asdict

from stock.errors import ScriptRefused
from stock.keyspace import Keyspace
from stock.line.checks import check_buyers, check_next, check_serving, commitment_of
from stock.line.model import (
    JoinCode,
    JoinOutcome,
    LeaveCode,
    LineCloseCode,
    LineMode,
    LineOpenCode,
    LineSnapshot,
    LineState,
    LineTerms,
    NextInLine,
    Place,
    ServeCode,
    ServeOutcome,
    Turn,
)
from stock.model import DropState


class Steps(Protocol):
    """What a line needs of the engine: its steps, with its faults, epochs and durability."""

    keyspace: Keyspace

    async def step(
        self,
        verb: str,
        drop_id: str,
        keys: Mapping[str, str],
        args: Mapping[str, str | int],
        rest: Sequence[str | int] = (),
    ) -> list[Any]: ...

    async def ask(self, *command: str | int) -> Any: ...


class RedisLine:
    """`stock.line.engine.Line` on the server of an engine."""

    def __init__(self, engine: Steps) -> None:
        self._engine = engine

    async def open(self, drop_id: str, terms: LineTerms) -> LineOpenCode:
        reply = await self._call("open", drop_id, asdict(terms))
        return LineOpenCode(reply[0])

    async def join(self, drop_id: str, buyers: Sequence[str]) -> list[JoinOutcome]:
        check_buyers(buyers)
        reply = await self._call("join", drop_id, {}, buyers)
        if reply[0] != "OK":
            return [JoinOutcome(JoinCode(reply[0]))] * len(buyers)
        return [_joined(text) for text in reply[2:]]

    async def leave(self, drop_id: str, buyer_id: str) -> LeaveCode:
        check_buyers([buyer_id])
        reply = await self._call("leave", drop_id, {"buyer_id": buyer_id})
        return LeaveCode(reply[0])

    async def close(self, drop_id: str, seed: str) -> LineCloseCode:
        # A script cannot compute SHA-256.
        args = {"commitment": commitment_of(seed), "seed": seed}
        return LineCloseCode((await self._call("close", drop_id, args))[0])

    async def serve(
        self, drop_id: str, serving: int, promised: int, per_mille: int
    ) -> ServeOutcome:
        check_serving(serving, promised, per_mille)
        args = {"serving": serving, "promised": promised, "per_mille": per_mille}
        code, *numbers = await self._call("serve", drop_id, args)
        return ServeOutcome(ServeCode(code), *numbers)

    async def hold(self, drop_id: str, serving: int, people: Sequence[NextInLine]) -> ServeOutcome:
        check_next(drop_id, serving, people)
        rest = [part for one in people for part in (one.rid, one.buyer_id, one.index)]
        keys = self._engine.keyspace.of_line(drop_id), self._engine.keyspace.of_drop(drop_id)
        named = {f"{name}_key": key for some in keys for name, key in asdict(some).items()}
        reply = await self._engine.step("line/hold", drop_id, named, {"serving": serving}, rest)
        if len(reply) == 1:  # without a line, or fenced
            return ServeOutcome(ServeCode(reply[0]))
        code, now_ms, ahead, expires_ms, *rids = reply
        return ServeOutcome(ServeCode(code), now_ms, ahead, expires_ms, tuple(rids))

    async def snapshot(self, drop_id: str, after: int = -1) -> LineSnapshot | None:
        reply = await self._call("snapshot", drop_id, {"after": after})
        if reply[0] != "OK":
            return None
        now_ms, epoch, log_id, state, n, n0, serving, served_ms, left, *rest = reply[1:]
        turn_ms, rate, capacity, commitment, closing_id, seed, drop_state, *rest = rest
        opens_ms, closes_ms, available, held, mode, *turns = rest
        return LineSnapshot(
            drop_id=drop_id,
            state=LineState(state),
            terms=LineTerms(commitment, turn_ms, rate, capacity, LineMode(mode)),
            n=n,
            n0=None if n0 < 0 else n0,
            serving=serving,
            served_ms=served_ms,
            left=left,
            closing_id=closing_id,
            seed=seed,
            drop_state=DropState(drop_state),
            opens_ms=opens_ms,
            closes_ms=closes_ms,
            available=available,
            held=held,
            now_ms=now_ms,
            log_id=log_id,
            epoch=epoch,
            turns=tuple(Turn(*map(int, text.split("|"))) for text in turns),
        )

    async def places(self, drop_id: str, buyers: Sequence[str]) -> list[Place | None]:
        check_buyers(buyers)
        key = self._engine.keyspace.of_line(drop_id).places
        texts = await self._engine.ask("HMGET", key, *buyers)
        return [
            _place(drop_id, buyer_id, text) for buyer_id, text in zip(buyers, texts, strict=True)
        ]

    async def place(self, drop_id: str, buyer_id: str) -> Place | None:
        return (await self.places(drop_id, [buyer_id]))[0]

    async def _call(
        self,
        verb: str,
        drop_id: str,
        args: Mapping[str, str | int],
        rest: Sequence[str | int] = (),
    ) -> list[Any]:
        keys = self._engine.keyspace.of_line(drop_id)
        named = {f"{name}_key": key for name, key in asdict(keys).items()}
        return await self._engine.step(f"line/{verb}", drop_id, named, args, rest)


def _place(drop_id: str, buyer_id: str, text: str | None) -> Place | None:
    if not text:
        return None
    index, _, mark = text.partition("|")
    if not index.isdigit() or mark not in ("", "l"):
        raise ScriptRefused(f"the place of {buyer_id} in {drop_id} cannot be read")
    return Place(int(index), mark == "l")


def _joined(text: str) -> JoinOutcome:
    code, _, index = text.partition("|")
    return JoinOutcome(JoinCode(code), int(index) if index else -1)
