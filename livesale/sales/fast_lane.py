"""The fast lane: a connection that answers the hot call by itself and hands aiohttp all else.

aiohttp takes longer for a request than the whole of a reservation. So a connection looks at the
bytes first. A request with a plain head (livesale.web.heads) that reserves, body and all, is
answered here: the same checks, the same use case, the same bytes as aiohttp's handler would send,
without its parser, its task and its streams. Everything else goes to aiohttp's own handler, byte
for byte, on the same connection: this class is that handler.

One request at a time, in the order they came, as in aiohttp. What it cannot tell the end of beyond
dispute (livesale.web.heads says what that is) it hands over with all that follows, for good. So
the two can never disagree on where a request begins.
"""

import asyncio
import re
from collections.abc import Iterable
from functools import lru_cache
from time import monotonic
from typing import Any

from aiohttp import HttpVersion11
from msgspec import Struct

from livesale.line.tickets import Tickets
from livesale.sales.reservations import Reservations
from livesale.sales.routes import conclude, count_fault
from livesale.tasks import errand
from livesale.tasks.clock import Clock
from livesale.tokens.signing import Buyer, TokenSigner
from livesale.web.draining import Draining
from livesale.web.endpoint import Endpoint
from livesale.web.heads import Plain, hot_head, plain_head
from livesale.web.limits import Limits, too_many_of_address
from livesale.web.problems import CONTENT_TYPE
from livesale.web.protocol import HEAD_END, REFUSED, UNREAD, Connection
from livesale.web.replies import render
from livesale.web.routes import Answer
from livesale.web.site import Site
from livesale.web.traffic import SANE_ID, Observe, new_request_id
from stock.errors import StockError
from stock.model import Attempt, Outcome

MAX_SHORT = 64  # bytes of a body that is read once for all who send it
MAX_UNREAD = 65_536  # bytes behind the request that is being answered, before nothing more is read

# Whose turn it is on a connection.
_FREE = 0  # nobody's: the next byte begins a request
_OURS = 1  # a hot call is being answered, or more of what came with it is due
_AIOHTTPS = 2  # one request is lent to aiohttp
_GIVEN = 3  # all is aiohttp's, for good
_SPARE = 4  # nobody's, in a place where only health is answered

_is_sane = re.compile(SANE_ID).fullmatch


class Turn(Struct, gc=False, eq=False):
    """A hot call that is being answered: the caller of stock.batcher."""

    connection: "FastConnection"
    observe: Observe
    request_id: str
    began_s: float
    origin: bytes | None
    drop_id: str = ""
    caller: Buyer | None = None
    attempt: Attempt | None = None
    over: bool = False
    head_only: bool = False
    settling: "asyncio.Task[Outcome] | None" = None

    def done(self) -> bool:
        return self.over

    def set_result(self, outcome: Outcome) -> None:
        self.connection.hear(self, outcome)

    def set_exception(self, fault: Exception) -> None:
        self.connection.refuse_call(self, fault)


class FastLane:
    """What the connections of one worker share."""

    def __init__(self, endpoint: Endpoint, unlimited: Iterable[bytes] = ()) -> None:
        """`endpoint` is that of livesale.sales.routes.RESERVE.

        `unlimited` are the paths that no address asks for too often.
        """
        parts = endpoint.parts
        self.endpoint = endpoint
        self.parts = parts
        self.traffic = endpoint.traffic
        self.site = parts[Site]
        self.draining = parts[Draining]
        self.limits, self.signer = parts[Limits], parts[TokenSigner]
        self.now_ms = parts[Clock].now_ms
        self.reservations, self.tickets = parts[Reservations], parts[Tickets]
        self.rooms = self.reservations.rooms
        self.max_head_bytes = parts.deployment.settings.http.max_header_bytes
        self.max_body_bytes = endpoint.max_bytes
        self.unlimited = frozenset(unlimited)
        self.observe_refused = endpoint.traffic.observer("other", "refused")
        # A crowd sends the same few bodies: each is read once.
        self.read_short = lru_cache(maxsize=256)(endpoint.read)

    def connect(self, manager: Any, **options: Any) -> "FastConnection":
        """A connection of aiohttp's server `manager`."""
        return FastConnection(self, manager, **options)


class FastConnection(Connection):
    """A connection with a fast lane beside aiohttp's."""

    __slots__ = (
        "_at",
        "_began_with",
        "_keys",
        "_lane",
        "_late",
        "_owed",
        "_piece",
        "_remote",
        "_turn",
        "_unread",
        "_whose",
    )

    def __init__(self, lane: FastLane, manager: Any, **options: Any) -> None:
        self._whose = _FREE
        self._lane = lane
        self._unread, self._at = b"", 0  # what came; what of it was taken already
        # What came while a request was being answered. It is joined to the rest only when the rest
        # holds no whole request: so the cost of a byte is constant, however small the pieces are.
        self._late = bytearray()
        self._turn: Turn | None = None
        self._piece: bytes | None = None  # of a head that aiohttp has, and that is not whole yet
        self._owed = 0  # bytes of the lent request that have not come yet
        self._began_with = 0  # how many requests aiohttp had seen before it was lent this one
        self._remote: str | None = None
        self._keys: tuple[str, ...] = ()  # of the peer's address, by which its requests are counted
        super().__init__(manager, **options)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        peer = self.peername
        self._remote = str(peer[0]) if isinstance(peer, tuple) else peer
        self._keys = self._lane.limits.keys(self._remote, None)
        if self._spare:
            self._whose = _SPARE

    def data_received(self, data: bytes) -> None:
        whose = self._whose
        if whose == _GIVEN or not data:  # aiohttp calls this with nothing, to parse what it kept
            super().data_received(data)
        elif self._force_close or self._close:
            pass
        elif whose == _FREE:
            self._unread, self._at = data, 0
            self._take()
        elif whose == _AIOHTTPS:
            self._lend_more(data)
        elif whose == _SPARE:
            if self._is_served(data):
                self._unread, self._at = data, 0
                self._take()
        else:
            self._keep(data)

    # What came is taken request by request.

    def _take(self) -> None:
        """Answer the next request of what is unread, or lend it to aiohttp."""
        data, at = self._unread, self._at
        found = hot_head(data, at, at + self._lane.max_head_bytes)
        if found is not None and self._answer_hot(data, found):
            return
        plain = plain_head(data, at, at + self._lane.max_head_bytes)
        if self._late and (plain is None or plain.stop > len(data)):
            self._join()  # it may continue in later bytes
            self._take()
            return
        if plain is not None:
            if plain.stop <= len(data) and self._turn_away_plain(plain):
                return
            self._whose = _AIOHTTPS
            self._owed = max(0, plain.stop - len(data))
            self._at = min(plain.stop, len(data))
            self._lend(data[at : plain.stop])
            return
        rest = data[at:]
        self._unread, self._at = b"", 0
        if len(rest) > self._lane.max_head_bytes or HEAD_END in rest:
            self._give(rest)
        else:
            self._lend_piece(rest)

    def _keep(self, data: bytes) -> None:
        """Keep what came too early, and read no more when that is much."""
        if self._at * 2 > len(self._unread):  # more was taken than is left to copy
            self._unread, self._at = self._unread[self._at :], 0
        self._late += data
        if not self._holds & UNREAD and self._unread_bytes() > MAX_UNREAD:
            self._hold(UNREAD)

    def _unread_bytes(self) -> int:
        return len(self._unread) - self._at + len(self._late)

    def _join(self) -> None:
        """Put what came later behind what is unread."""
        self._unread, self._at = self._unread[self._at :] + self._late, 0
        self._late = bytearray()

    def _end_turn(self) -> None:
        """The request was answered: continue with unread bytes in the next tick, or wait."""
        if self._at < len(self._unread) or self._late:
            self._loop.call_soon(self._go_on)
        else:
            self._unread, self._at = b"", 0
            self._whose = _SPARE if self._spare else _FREE

    def _go_on(self) -> None:
        if self._force_close or self._close:
            return
        self._take()
        if self._holds & UNREAD and self._unread_bytes() <= MAX_UNREAD // 2:
            self._release(UNREAD)

    # What goes to aiohttp.

    def _lend(self, data: bytes) -> None:
        """Let aiohttp answer one request, whose head is whole in `data`."""
        before = self._request_count
        super().data_received(data)
        if self._request_count != before + 1 or self._upgraded:
            self._join()
            self._give(self._unread)  # it reads these bytes in another way

    def _lend_piece(self, data: bytes) -> None:
        """Let aiohttp have the beginning of a head: it has the clock and the bounds for that."""
        self._whose, self._piece, self._owed = _AIOHTTPS, data, 0
        self._began_with = self._request_count
        super().data_received(data)

    def _lend_more(self, data: bytes) -> None:
        if self._piece is not None:
            self._complete(self._piece, data)
            return
        mine = data[: self._owed]
        if mine:
            self._owed -= len(mine)
            super().data_received(mine)
        if len(mine) < len(data):
            self._keep(data[len(mine) :])

    def _complete(self, piece: bytes, data: bytes) -> None:
        """More of a head that aiohttp has a piece of; perhaps its end, and what is behind it."""
        whole = piece + data
        most = self._lane.max_head_bytes
        plain = plain_head(whole, 0, most) if HEAD_END in whole else None
        seen_more = self._request_count != self._began_with
        if plain is not None and not seen_more:
            self._piece = None
            self._owed = max(0, plain.stop - len(whole))
            mine = data[: plain.stop - len(piece)]
            self._unread, self._at = data[len(mine) :], 0
            self._lend(mine)
        elif seen_more or HEAD_END in whole or len(whole) > most:
            self._give(data)
        else:
            self._piece = whole
            super().data_received(data)

    def _give(self, data: bytes) -> None:
        """Let aiohttp have what is there and all that will come."""
        self._whose, self._piece = _GIVEN, None
        self._unread, self._at = b"", 0
        if self._holds & UNREAD:
            self._release(UNREAD)
        super().data_received(data)

    def _on_waiting(self) -> None:
        super()._on_waiting()
        if self._whose == _AIOHTTPS and self._piece is None and not self._owed:
            self._end_turn()

    # The hot call.

    def _answer_hot(self, data: bytes, head: "re.Match[bytes]") -> bool:
        """Answer a call with a hot head; False when its body is not there, or not as it should be.

        The checks of livesale.web.endpoint in their order, but for those of form: the head has it.
        """
        lane = self._lane
        drop, signed, key_id, buyer, expires, mac = head.group(1, 2, 3, 4, 5, 6)
        host, kind, length, key, request_id, forwarded, origin = head.group(7, 8, 9, 10, 11, 12, 13)
        begin, size = head.end(), int(length or 0)
        stop = begin + size
        if signed is None or host is None or (size and kind is None):
            return False
        if stop > len(data) or size > lane.max_body_bytes:
            return False
        self._at = stop
        self._whose = _OURS
        self._head_began, self._head_bytes = 0.0, 0
        self._request_count += 1
        self._request_in_progress = True
        lane.traffic.in_flight += 1
        now_s = monotonic()
        told = request_id.decode() if request_id else new_request_id()
        came_by = forwarded.decode() if forwarded else None
        keys = lane.limits.keys(self._remote, came_by) if came_by else self._keys
        wait_s = lane.limits.wait_s(keys, now_s)
        drop_id = drop.decode()
        self._turn = turn = Turn(self, lane.endpoint.observe, told, now_s, origin, drop_id)
        if wait_s:
            self._turn_away(turn, wait_s, came_by)
            return True
        try:
            name = buyer.decode()
            turn.caller = lane.signer.buyer_of(signed, key_id.decode(), name, int(expires), mac)
            lane.limits.check_buyer(name, now_s)
            read = lane.read_short if size <= MAX_SHORT else lane.endpoint.read
            wanted = read(data[begin:stop])
            text = wanted.ticket
            ticket = lane.tickets.read(text, drop_id, name) if text else None
            turn.attempt = lane.reservations.enter(
                drop_id, name, wanted.quantity, key.decode() if key else None, ticket, turn
            )
        except Exception as fault:
            self.refuse_call(turn, fault)
        return True

    # Who asks too often.

    def _turn_away_plain(self, plain: Plain) -> bool:
        """Refuse a request of an address that asks too often before aiohttp reads it."""
        lane, headers = self._lane, plain.headers
        came_by, now_s = headers.get("x-forwarded-for"), monotonic()
        wait_s = lane.limits.address_would_wait_s(self._remote, came_by, now_s)
        if not wait_s or plain.path in lane.unlimited:
            return False
        lane.limits.count_refusal()
        self._at = plain.stop
        self._whose = _OURS
        self._head_began, self._head_bytes = 0.0, 0
        self._request_count += 1
        self._request_in_progress = True
        lane.traffic.in_flight += 1
        given = headers.get("x-request-id", "")
        told = given if _is_sane(given) else new_request_id()
        origin = headers.get("origin")
        turn = Turn(self, lane.observe_refused, told, now_s, origin.encode() if origin else None)
        turn.head_only = plain.method == b"HEAD"
        self._turn = turn
        self._turn_away(turn, wait_s, came_by)
        return True

    def _turn_away(self, turn: Turn, wait_s: float, came_by: str | None) -> None:
        """Refuse a request, now or, where its address goes on and on, when its turn comes."""
        more = bool(self._late) or self._at < len(self._unread)
        delay_s = self._lane.limits.refusal_delay_s(self._remote, came_by, turn.began_s, waits=more)
        if delay_s:
            self._hold(REFUSED)
            self._loop.call_later(delay_s, self._refuse_address, turn, wait_s)
        else:
            self._refuse_address(turn, wait_s)

    def _refuse_address(self, turn: Turn, wait_s: float) -> None:
        if self._holds & REFUSED:
            self._release(REFUSED)
        if not turn.over:
            self._send(turn, refused(int(wait_s)), "slow_down")

    def hear(self, turn: Turn, outcome: Outcome) -> None:
        """What came of a call. Never raises: others of its batch wait to be told theirs."""
        lane, drop_id = self._lane, turn.drop_id
        try:
            if (
                turn.settling is None
                and turn.attempt is not None
                and lane.reservations.is_unsettled(drop_id, outcome)
            ):
                work = lane.reservations.settle(drop_id, turn.attempt, outcome)
                turn.settling = errand("settle a call", work, awaited=True)
                turn.settling.add_done_callback(lambda task: self._on_settled(turn, task))
            else:
                self._send(turn, conclude(drop_id, outcome, lane.now_ms, lane.rooms))
        except Exception as fault:
            self.refuse_call(turn, fault)

    def _on_settled(self, turn: Turn, task: "asyncio.Task[Outcome]") -> None:
        if task.cancelled():
            return
        fault = task.exception()
        if isinstance(fault, Exception):
            self.refuse_call(turn, fault)
        else:
            self.hear(turn, task.result())

    def refuse_call(self, turn: Turn, fault: Exception) -> None:
        if isinstance(fault, StockError):
            count_fault(fault)
        self._send(turn, *self._lane.endpoint.refusal(fault, turn.request_id))

    def _send(self, turn: Turn, found: Answer, code: str = "") -> None:
        lane = self._lane
        keep_alive = not (lane.draining.draining or self._close)
        site = lane.site.headers(_asked_from(turn.origin)) if lane.site.adds else ""
        now_s = monotonic()
        request_id = turn.request_id
        turn.observe(found.status, now_s - turn.began_s, request_id, turn.caller, code)
        if found.rid is not None:
            lane.traffic.made(found.rid, request_id)
        if self.transport is not None:
            self.transport.write(
                render(
                    found,
                    request_id,
                    version=HttpVersion11,
                    keep_alive=keep_alive,
                    head_only=turn.head_only,
                    site=site,
                )
            )
        self._next_keepalive_close_time = now_s + self._keepalive_timeout  # as the loop's clock
        self._end_call(keep_alive=keep_alive)

    def _end_call(self, *, keep_alive: bool) -> None:
        if self._turn is not None:
            self._turn.over = True
            self._turn = None
        self._lane.traffic.in_flight -= 1
        if not keep_alive:
            self.force_close()
        if not self._paused or self._force_close:
            self._rest()

    def _rest(self) -> None:
        """The answer is with the kernel, or nobody waits for it."""
        self._request_in_progress = False
        waiter = self._handler_waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
        self._end_turn()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._whose == _OURS and self._turn is None and self._request_in_progress:
            self._rest()

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        if self._whose == _OURS and self._turn is None and self._request_in_progress:
            self._rest()

    async def shutdown(self, timeout: float | None = 15.0) -> None:  # noqa: ASYNC109  aiohttp's
        await super().shutdown(timeout)
        if self._turn is not None:  # its time is over
            if self._turn.settling is not None:
                self._turn.settling.cancel()
            self._end_call(keep_alive=False)

    def _process_keepalive(self) -> None:
        if self._request_in_progress:  # aiohttp sees only what was lent to it
            self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
        super()._process_keepalive()


@lru_cache(maxsize=64)
def refused(wait_s: int) -> Answer:
    """The answer to a request of an address that has to wait for so many whole seconds."""
    problem = too_many_of_address(wait_s)
    return Answer(problem.status, problem.encode(), CONTENT_TYPE, problem.headers)


def _asked_from(origin: bytes | None) -> dict[str, str]:
    return {} if origin is None else {"Origin": origin.decode()}
