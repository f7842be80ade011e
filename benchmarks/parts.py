"""The CPU time of each part of the HTTP side of one reservation in the worker.

Each part runs alone in a loop, in one process, without a socket, on data like that of the load;
the best of many repeats counts. So the parts add up to less than the worker takes under load, where
caches are cold. The engine's side is in the engine's own table; the kernel and the event loop are
in the figure of the bare protocol.
"""

import asyncio
import os
import timeit
from collections.abc import Callable, Iterator
from time import monotonic

import msgspec
import uvloop
from aiohttp import HttpVersion11

from benchmarks import names
from benchmarks.machine import SERVER_CORE, pinned
from benchmarks.records import Records
from benchmarks.scale import Scale
from livesale.sales.routes import RESERVE, NewReservation, conclude
from livesale.settings import load_settings
from livesale.telemetry import logs
from livesale.tokens.signing import TokenSigner
from livesale.web.heads import hot_head
from livesale.web.limits import Limits
from livesale.web.parsing import read_body
from livesale.web.replies import render
from livesale.web.routes import Call
from livesale.web.traffic import Traffic, new_request_id
from stock.ids import keyed_rid, new_id
from stock.model import HoldState, Outcome, Reservation, ReserveCode

FIGURE = "parts"
LOOPS = 1_000
BODY = b'{"quantity":1}'
BUYER, KEY = "buyer-00000001", "key-00000001"


def measure(scale: Scale, records: Records, last: bool) -> None:
    """One round."""

    async def run() -> None:  # the parts need a running loop
        for name, part in _parts():
            best_s = min(timeit.repeat(part, number=LOOPS, repeat=scale.repeats)) / LOOPS
            records.add(FIGURE, name, 1e6 * best_s, "µs")
            await asyncio.sleep(0)

    with pinned(SERVER_CORE), open(os.devnull, "w") as nowhere:
        logs.setup(load_settings(log__format="json"), "benchmark", nowhere)
        uvloop.run(run())


def _parts() -> Iterator[tuple[str, Callable[[], object]]]:
    settings = load_settings(
        limits__buyer_per_s=1e6,
        limits__buyer_burst=1_000_000,
        limits__address_per_s=1e6,
        limits__address_burst=1_000_000,
    )
    signer, limits = TokenSigner.from_settings(settings), Limits(settings)
    drop_id = new_id()
    request = _request(drop_id, signer.buyer(BUYER))
    head = hot_head(request, 0, len(request))
    assert head is not None  # noqa: S101  the load sends the same
    _, signed, key_id, _, expires, mac, *_ = head.groups()
    decoder = msgspec.json.Decoder(NewReservation)
    call = Call({"drop_id": drop_id}, caller=signer.verify(signer.buyer(BUYER)))
    rid = keyed_rid(drop_id, BUYER, KEY)
    claim = Reservation(rid, HoldState.HELD, BUYER, 1, 9_900, 1_790_000_000_000)
    held = Outcome(ReserveCode.HELD, 123_456, claim)
    traffic = Traffic(settings.http.access_log_sample)
    observe = traffic.observer(RESERVE.method, RESERVE.path)

    def count() -> None:
        observe(201, 0.001, KEY, call.caller, "")
        traffic.made(rid, KEY)

    def check_limits() -> None:
        now_s = monotonic()
        limits.check_address("10.1.2.3", None, now_s)
        limits.check_buyer(BUYER, now_s)

    def answer() -> bytes:
        request_id = new_request_id()
        answer = conclude(drop_id, held, lambda: claim.expires_ms, {drop_id: None})
        return render(answer, request_id, version=HttpVersion11, keep_alive=True)

    yield names.PART_HEAD, lambda: hot_head(request, 0, len(request))
    yield (
        names.PART_TOKEN,
        lambda: signer.buyer_of(signed, key_id.decode(), BUYER, int(expires), mac),
    )
    yield names.PART_LIMITS, check_limits
    yield names.PART_BODY, lambda: read_body(decoder, BODY)
    yield names.PART_RID, lambda: keyed_rid(drop_id, BUYER, KEY)
    yield names.PART_ANSWER, answer
    yield names.PART_NOTE, count


def _request(drop_id: str, token: str) -> bytes:
    """The request as the load sends it."""
    return (
        f"POST /v1/drops/{drop_id}/reservations HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(BODY)}\r\n"
        f"Authorization: Bearer {token}\r\nIdempotency-Key: {KEY}\r\n\r\n"
    ).encode() + BODY
