"""The fast lane: a connection that answers the hot call by itself and hands aiohttp all else.

aiohttp takes longer for a request than the whole of a reservation. So a connection looks at the
bytes first. A request with a plain head (livesale.http.heads) that reserves, body and all, is
answered here: the same checks, the same use case, the same bytes as aiohttp's handler would send,
without its parser, its task and its streams. Everything else goes to aiohttp's own handler, byte
for byte, on the same connection: this class is that handler.

One request at a time, in the order they came, as in aiohttp. What it cannot tell the end of beyond
dispute (livesale.http.heads says what that is) it hands over with all that follows, for good. So
the two can never disagree on where a request begins.
"""

import asyncio
import re
from time import monotonic
from typing import Any

from aiohttp import HttpVersion11
from msgspec import Struct

from livesale.http.endpoint import Endpoint
from livesale.http.heads import hot_head, plain_end
from livesale.http.protocol import HEAD_END, Connection
from livesale.http.replies import render
from livesale.http.reservations import conclude, count_fault, read_ticket
from livesale.http.routes import Answer, Call
from livesale.http.traffic import new_request_id
from livesale.sales.reservations import UNSETTLED
from livesale.tasks import errand
from stock.errors import StockError
from stock.model import Attempt, Outcome

MAX_UNREAD = 65_536  # bytes behind the request that is being answered, before nothing more is read

# Whose turn it is on a connection.
_FREE = 0  # nobody's: the next byte begins a request
_OURS = 1  # a hot call is being answered, or more of what came with it is due
_AIOHTTPS = 2  # one request is lent to aiohttp
_GIVEN = 3  # all is aiohttp's, for good


class Turn(Struct, gc=False, eq=False):
    """A hot call that is being answered: the caller of stock.batcher."""

    connection: "FastConnection"
    call: Call
    request_id: str
    began_s: float
    origin: bytes | None
    attempt: Attempt | None = None
    over: bool = False
    settling: "asyncio.Task[Outcome] | None" = None

    def done(self) -> bool:
        return self.over

    def set_result(self, outcome: Outcome) -> None:
        self.connection.hear(self, outcome)

    def set_exception(self, fault: Exception) -> None:
        self.connection.refuse_call(self, fault)


class FastLane:
    """What the connections of one worker share."""

    def __init__(self, endpoint: Endpoint) -> None:
        """`endpoint` is that of livesale.http.reservations.RESERVE."""
        services = endpoint.services
        self.endpoint = endpoint
        self.services = services
        self.traffic = endpoint.traffic
        self.site = services.site
        self.draining = services.draining
        self.limits, self.signer = services.limits, services.signer
        self.reservations = services.reservations
        self.max_head_bytes = services.deployment.settings.http.max_header_bytes
        self.max_body_bytes = endpoint.max_bytes

    def connect(self, manager: Any, **options: Any) -> "FastConnection":
        """A connection of aiohttp's server `manager`."""
        return FastConnection(self, manager, **options)


class FastConnection(Connection):
    """A connection with a fast lane beside aiohttp's."""

    __slots__ = (
        "_at",
        "_began_with",
        "_held",
        "_idle",
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
        self._held = False  # whether we keep the transport from reading
        self._turn: Turn | None = None
        self._piece: bytes | None = None  # of a head that aiohttp has, and that is not whole yet
        self._owed = 0  # bytes of the lent request that have not come yet
        self._began_with = 0  # how many requests aiohttp had seen before it was lent this one
        self._remote: str | None = None
        super().__init__(manager, **options)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        peer = self.peername
        self._remote = str(peer[0]) if isinstance(peer, tuple) else peer

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
        else:
            self._keep(data)

    # What came is taken request by request.

    def _take(self) -> None:
        """Answer the next request of what is unread, or lend it to aiohttp."""
        data, at = self._unread, self._at
        found = hot_head(data, at, at + self._lane.max_head_bytes)
        if found is not None and self._answer_hot(data, found):
            return
        plain = plain_end(data, at, at + self._lane.max_head_bytes)
        stop = sum(plain) if plain is not None else 0
        if self._late and not 0 < stop <= len(data):  # it may go on in what came later
            self._join()
            self._take()
            return
        if plain is not None:
            self._whose = _AIOHTTPS
            self._owed = max(0, stop - len(data))
            self._at = min(stop, len(data))
            self._lend(data[at:stop])
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
        if not self._held and self._unread_bytes() > MAX_UNREAD:
            self._held = True
            self._pause_transport_reading()

    def _unread_bytes(self) -> int:
        return len(self._unread) - self._at + len(self._late)

    def _join(self) -> None:
        """Put what came later behind what is unread."""
        self._unread, self._at = self._unread[self._at :] + self._late, 0
        self._late = bytearray()

    def _end_turn(self) -> None:
        """The request was answered: go on with what is unread, in the next tick, or wait."""
        if self._at < len(self._unread) or self._late:
            self._loop.call_soon(self._go_on)
        else:
            self._unread, self._at = b"", 0
            self._whose = _FREE

    def _go_on(self) -> None:
        if self._force_close or self._close:
            return
        self._take()
        if self._held and self._unread_bytes() <= MAX_UNREAD // 2:
            self._held = False
            self._release_transport()

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
        plain = plain_end(whole, 0, most) if HEAD_END in whole else None
        seen_more = self._request_count != self._began_with
        if plain is not None and not seen_more:
            self._piece = None
            stop = sum(plain)
            self._owed = max(0, stop - len(whole))
            mine = data[: stop - len(piece)]
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
        if self._held:
            self._held = False
            self._release_transport()
        super().data_received(data)

    @property
    def _waiter(self) -> "asyncio.Future[None] | None":
        """What aiohttp sets when it begins to wait for a request: then it has answered the last."""
        return self._idle

    @_waiter.setter
    def _waiter(self, future: "asyncio.Future[None] | None") -> None:
        self._idle = future
        lent = self._whose == _AIOHTTPS and self._piece is None and not self._owed
        if future is not None and lent:
            self._end_turn()

    # The hot call.

    def _answer_hot(self, data: bytes, head: "re.Match[bytes]") -> bool:
        """Answer a call with a hot head; False when its body is not there, or not as it should be.

        The checks of livesale.http.endpoint in their order, but for those of form: the head has it.
        """
        lane = self._lane
        drop, signed, key_id, buyer, expires, mac, host, kind, length, *rest = head.groups()
        key, request_id, forwarded, origin, _, _ = rest
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
        call = Call({"drop_id": drop.decode()})
        told = request_id.decode() if request_id else new_request_id()
        self._turn = turn = Turn(self, call, told, now_s, origin)
        try:
            lane.limits.check_address(
                self._remote, forwarded.decode() if forwarded else None, now_s
            )
            name = buyer.decode()
            call.caller = lane.signer.buyer_of(signed, key_id.decode(), name, int(expires), mac)
            lane.limits.check_buyer(name, now_s)
            if key is not None:
                call.key = key.decode()
            call.body = lane.endpoint.read(data[begin:stop])
            ticket = read_ticket(lane.services, call)
            known = lane.reservations.known(call.path["drop_id"], name, call.key)
            if known is None:
                turn.attempt = lane.reservations.enter(
                    call.path["drop_id"], name, call.body.quantity, call.key, ticket, turn
                )
        except Exception as fault:
            self.refuse_call(turn, fault)
            return True
        if known is not None:
            self.hear(turn, known)
        return True

    def hear(self, turn: Turn, outcome: Outcome) -> None:
        """What came of a call. Never raises: others of its batch wait to be told theirs."""
        try:
            if outcome.code in UNSETTLED and turn.settling is None and turn.attempt is not None:
                settle = self._lane.reservations.settle
                work = settle(turn.call.path["drop_id"], turn.attempt, outcome)
                turn.settling = errand("settle a call", work, awaited=True)
                turn.settling.add_done_callback(lambda task: self._on_settled(turn, task))
            else:
                self._send(turn, conclude(turn.call, outcome))
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
        lane.endpoint.note(turn.call, found, code, now_s - turn.began_s, request_id)
        if self.transport is not None:
            self.transport.write(
                render(found, request_id, version=HttpVersion11, keep_alive=keep_alive, site=site)
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

    def _release_transport(self) -> None:
        if not self._reading_paused and not self._buffer_paused:
            self._resume_transport_reading()

    def _resume_transport_reading(self) -> None:
        if not self._held:
            super()._resume_transport_reading()


def _asked_from(origin: bytes | None) -> dict[str, str]:
    return {} if origin is None else {"Origin": origin.decode()}
