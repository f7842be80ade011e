"""A seat in a room: the bytes of a socket in, messages out, and its place kept."""

import itertools

from livesale.rooms.channel.socket import frame_of
from loadtests import frames
from loadtests.history import Watched
from loadtests.seat import Seat

LET_IN = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"
HELLO = b'{"type":"hello","epoch":"e","offset":8,"resumed":false,"role":"viewer"}'
SNAPSHOT = b'{"type":"snapshot","epoch":"e","offset":6,"room":{}}'
SMALL = b'{"offset":7,"type":"stock","at_ms":5,"stock":{"drop_id":"d"}}'
LARGE = b'{"offset":8,"type":"room.changed","at_ms":6,"title":"%s"}' % (b"x" * 70_000)
PING, CLOSE = b"\x89\x00", b"\x88\x02\x11\x38"


def seated() -> Seat:
    seat = Seat(Watched("r"))
    seat.connect("host")
    assert seat.receive(LET_IN) == []
    return seat


def test_a_viewer_reads_what_the_service_frames() -> None:
    # given frames of every length that there is, a ping, and a close
    texts = (HELLO, SNAPSHOT, SMALL, LARGE)
    whole = b"".join(frame_of(text) for text in texts) + PING + CLOSE
    # when they come in one piece, with what comes after the end
    seat = seated()
    messages = seat.receive(whole + frame_of(SMALL))
    # then all before the end are read
    assert [text for _, text in messages] == list(texts)
    assert [heard.type for heard, _ in messages] == ["hello", "snapshot", "stock", "room.changed"]
    assert (seat.place, seat.up, seat.owed) == (8, True, frames.PONG)
    assert seat.gone is not None
    assert seat.gone.code == 4408
    assert (seat.seen.events, seat.seen.wrong) == (2, [])


def test_it_does_not_matter_how_the_bytes_are_cut() -> None:
    whole = LET_IN + b"".join(frame_of(text) for text in (HELLO, SNAPSHOT, SMALL, LARGE))
    seat = Seat(Watched("r"))
    seat.connect("host")
    places = []
    cuts = [*range(300), *range(300, len(whole), 7_001), len(whole)]
    for begin, end in itertools.pairwise(cuts):
        seat.receive(whole[begin:end])
        places.append(seat.place)
    assert sorted({place for place in places if place is not None}) == [6, 7, 8]
    assert (seat.halfway, seat.up, seat.seen.wrong) == (False, True, [])


def test_it_is_up_once_it_has_what_it_missed() -> None:
    seat = seated()
    seat.receive(frame_of(HELLO) + frame_of(SNAPSHOT) + frame_of(SMALL))
    assert not seat.up
    seat.receive(frame_of(LARGE))
    assert seat.up
    # and a lost connection is none, but its place is kept
    asked = seat.connect("host", "token")
    assert b"GET /v1/rooms/r/socket?epoch=e&after=8 HTTP/1.1\r\n" in asked
    assert b"Authorization: Bearer token\r\n" in asked
    assert not seat.up


def test_who_is_not_let_in_is_gone_with_the_status() -> None:
    seat = Seat(Watched("r"))
    seat.connect("host")
    seat.receive(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\n{}")
    assert seat.gone is not None
    assert seat.gone.code == 403


def test_a_service_that_restarts_says_when_to_come_back() -> None:
    seat = seated()
    text = b'\x03\xf4{"reason":"restart","retry_ms":1500}'
    seat.receive(b"\x88" + bytes((len(text),)) + text)
    assert seat.gone is not None
    assert (seat.gone.code, seat.gone.reason, seat.gone.retry_s) == (1012, "restart", 1.5)


def test_what_a_client_sends_is_masked() -> None:
    assert frames.text_frame(b"hi") == b"\x81\x82\0\0\0\0hi"
    assert frames.text_frame(b"x" * 200)[:8] == b"\x81\xfe\x00\xc8\0\0\0\0"
