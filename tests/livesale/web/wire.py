"""Requests as bytes: good ones, bad ones, and what smugglers send. Seeded, so a failure repeats.

A conversation is what one client sends on one connection: requests behind each other, cut into
segments anywhere. The last one asks to close, so that there is an end to read to.
"""

import random
from collections.abc import Sequence

from msgspec import Struct

from livesale.tokens.signing import TokenSigner

PLENTY, SCARCE, EMPTY, PAUSED, EARLY, CLOSED, TICKETS = (
    *("plenty", "scarce", "empty", "paused", "early", "closed", "tickets"),
)
DROPS = (PLENTY, SCARCE, EMPTY, PAUSED, EARLY, CLOSED, TICKETS)
UNKNOWN = "nosuchdrop"

THE_END = b"GET /livez HTTP/1.1\r\nHost: a\r\nX-Request-Id: the-end\r\nConnection: close\r\n\r\n"

Lines = list[bytes]


class Conversation(Struct, frozen=True):
    """The segments of one connection, and how many requests were meant."""

    segments: tuple[bytes, ...]
    requests: int

    @property
    def raw(self) -> bytes:
        return b"".join(self.segments)


class Writer:
    """Makes conversations out of chance."""

    def __init__(self, seed: int, signer: TokenSigner) -> None:
        self.random = random.Random(seed)
        self._signer = signer
        self._count = 0

    def conversation(self) -> Conversation:
        chance = self.random
        count = chance.choice((1, 1, 2, 3, 4, 6, 8))
        requests = [self._request() for _ in range(count)]
        # Nothing behind an upgrade: docs/architecture.md says what differs there.
        requests.append(self._upgrade() if chance.random() < 0.05 else THE_END)
        raw = b"".join(requests)
        if chance.random() < 0.15:
            raw = self._mutated(raw)
        return Conversation(tuple(self._cut(raw)), count + 1)

    def _request(self) -> bytes:
        kind = self.random.choices(
            (self._hot, self._odd_hot, self._cold, self._smuggled), (10, 10, 5, 4)
        )[0]
        return kind()

    def _hot(self) -> bytes:
        return self._reserve(self._headers())

    def _reserve(self, headers: Lines, drop_id: str | None = None) -> bytes:
        body = self._body()
        path = f"/v1/drops/{drop_id or self._drop()}/reservations"
        lines = [f"POST {path} HTTP/1.1".encode(), *headers]
        if body or self.random.random() < 0.5:
            lines.append(b"Content-Length: %d" % len(body))
        return joined(lines, body)

    def _drop(self) -> str:
        return self.random.choice((*DROPS, PLENTY, PLENTY, SCARCE, EMPTY, EMPTY, UNKNOWN))

    def _headers(self) -> Lines:
        """Those that a client of ours sends, in any order."""
        chance = self.random
        lines = [b"Host: a", self._token()]
        if chance.random() < 0.7:
            lines.append(b"Content-Type: application/json")
        if chance.random() < 0.7:
            lines.append(b"Idempotency-Key: k-%d" % chance.randrange(6))
        if chance.random() < 0.3:
            self._count += 1
            lines.append(b"X-Request-Id: mine-%d" % self._count)
        seldom = (
            b"User-Agent: Mozilla/5.0 (iPhone; CPU iPhone OS 18_0)  MicroMessenger/8.0",
            b"Accept: */*",
            b"Accept-Encoding: gzip, deflate, br",
            b"Connection: keep-alive",
            b"X-Forwarded-For: 198.51.100.7, 203.0.113.9",
            b"Origin: https://shop.example",
            b"Referer: https://shop.example/",
        )
        lines += [line for line in seldom if chance.random() < 0.2]
        if chance.random() < 0.5:
            chance.shuffle(lines)
        return lines

    def _token(self) -> bytes:
        chance = self.random
        kind = chance.random()
        buyer = f"buyer-{chance.randrange(30)}"
        token = self._signer.buyer(buyer, 4_000_000_000_000)
        if kind > 0.92:
            token = chance.choice(
                (
                    "",
                    token[:-1],
                    token.replace("buyer", "other"),
                    self._signer.buyer(buyer, 1),
                    self._signer.operator("eve"),
                    token + token,
                )
            )
        scheme = chance.choice(("Bearer",) * 12 + ("bearer", "BEARER", "Basic", "Bearer  "))
        return f"Authorization: {scheme} {token}".encode()

    def _body(self) -> bytes:
        chance = self.random
        if chance.random() < 0.7:
            return b'{"quantity":%d}' % chance.choice((1, 1, 1, 2, 3))
        return chance.choice(
            (
                b"",
                b"{}",
                b'{"quantity":0}',
                b'{"quantity":1001}',
                b'{"quantity":"1"}',
                b'{"quantity":1.5}',
                b'{"quantity":null}',
                b'{"amount_fen":1}',
                b'{"ticket":"lst1.k1.x"}',
                b'{"ticket":null,"quantity":1}',
                b"{",
                b"[]",
                b"\xff\xfe",
                b"POST /v1/drops/plenty/reservations HTTP/1.1\r\n\r\n",
                b" " * 300 + b"{}",
                b"x" * 20_000,
            )
        )

    def _odd_hot(self) -> bytes:
        """A reservation with one thing about it that few clients do."""
        chance = self.random
        lines = self._headers()
        body = b'{"quantity":1}'
        length = b"Content-Length: %d" % len(body)
        path = b"/v1/drops/plenty/reservations"
        first = b"POST " + path + b" HTTP/1.1"
        line = chance.randrange(len(lines))
        what = chance.randrange(19)
        if what == 0:
            lines[line] = chance.choice((bytes.upper, bytes.lower, bytes.swapcase))(lines[line])
        elif what == 1:
            lines[line] = lines[line].replace(b": ", chance.choice((b":", b":  ", b":\t")), 1)
        elif what == 2:
            lines[line] += chance.choice((b" ", b"  ", b"\t"))
        elif what == 3:
            lines.append(chance.choice(lines))
        elif what == 4:
            lines.append(
                chance.choice(
                    (
                        b"Connection: close",
                        b"Connection: Keep-Alive",
                        b"Connection: keep-alive, foo",
                        b"Proxy-Connection: close",
                        b"Keep-Alive: timeout=5",
                        b"TE: trailers",
                        b"Trailer: X",
                        b"Via: 1.1 proxy",
                        b"Cookie: a=b; c=d",
                        b"Content-Encoding: gzip",
                        b"Content-Encoding: identity",
                        b"X-Empty:",
                        b"X-Name: caf\xc3\xa9",
                        b"X-Name: \xff\xfe",
                        b"X: " + b"y" * 5_000,
                        b"X: " + b"y" * 9_000,
                    )
                )
            )
        elif what == 5:
            lines += [b"X-%d: y" % n for n in range(chance.choice((20, 90, 120)))]
        elif what == 6:
            lines.append(
                chance.choice((b"Expect: 100-continue", b"Expect: 100-Continue", b"Expect: x"))
            )
        elif what == 7:
            first = b"POST " + path + chance.choice((b" HTTP/1.0", b" HTTP/1.2", b" HTTP/2.0", b""))
        elif what == 8:
            return self._chunked(first, lines)
        elif what == 9:
            target = chance.choice(
                (
                    b"/v1/drops/plenty/reservations?",
                    b"/v1/drops/plenty/reservations?quantity=2",
                    b"/v1/drops/plenty/reservations#x",
                    b"/v1/drops/plenty/reservations/",
                    b"/v1//drops/plenty/reservations",
                    b"//v1/drops/plenty/reservations",
                    b"/v1/drops/./plenty/reservations",
                    b"/v1/drops/../drops/plenty/reservations",
                    b"/v1/drops/%70lenty/reservations",
                    b"/v1/drops/plenty%2Freservations",
                    b"/v1/drops/PLENTY/reservations",
                    b"/v1/drops/plenty-x/reservations",
                    b"/v1/drops/caf\xc3\xa9/reservations",
                    b"/v1/drops//reservations",
                    b"/v1/drops/" + b"x" * 40 + b"/reservations",
                    b"http://a/v1/drops/plenty/reservations",
                    b"/V1/drops/plenty/reservations",
                )
            )
            first = b"POST " + target + b" HTTP/1.1"
        elif what == 10:
            method = chance.choice(
                (b"post", b"PUT", b"GET", b"PATCH", b"OPTIONS", b"FOO", b"POST ")
            )
            first = method + b" " + path + b" HTTP/1.1"
        elif what == 11:
            mine = (b"Content-Type", b"Host")
            lines = [each for each in lines if not each.startswith(mine)]
            lines.append(
                chance.choice(
                    (
                        b"Content-Type: text/plain\r\nHost: a",
                        b"Content-Type: application/json; charset=utf-8\r\nHost: a",
                        b"Content-Type: APPLICATION/JSON\r\nHost: a",
                        b"Host: a",
                        b"Content-Type: application/json",
                        b"Host: a\r\nHost: b",
                    )
                )
            )
        elif what == 12:
            lines = [each for each in lines if not each.startswith(b"Idempotency-Key")]
            lines.append(
                b"Idempotency-Key: "
                + chance.choice((b"", b"a b", b"x" * 64, b"x" * 65, b"\xc3\xa9", b"a\tb", b'"k"'))
            )
        elif what == 13:
            lines.append(b"X-Request-Id: " + chance.choice((b"a b", b"x" * 65, b"<b>", b"a.b:c")))
        elif what == 14:
            return chance.choice((b"\r\n", b"\r\n\r\n", b"\n")) + self._reserve(lines)
        elif what == 15:
            lines.insert(line, b"X-Forwarded-For: 1.2.3.4")
        elif what == 16:
            return joined([first, *lines, length], body + chance.choice((b"\r\n", b"x", b"\n\n")))
        elif what == 17:
            return self._reserve(lines, chance.choice((EMPTY, SCARCE)))
        else:
            return joined([first, *lines, b"Content-Length: 0"], b"")
        return joined([first, *lines, length], body)

    def _upgrade(self) -> bytes:
        kind = b"Upgrade: " + self.random.choice((b"websocket", b"h2c", b"x"))
        return self._reserve([*self._headers(), kind, b"Connection: Upgrade"])

    def _chunked(self, first: bytes, lines: Lines) -> bytes:
        body = self.random.choice(
            (
                b'e\r\n{"quantity":1}\r\n0\r\n\r\n',
                b'5\r\n{"qua\r\n9\r\nntity":1}\r\n0\r\n\r\n',
                b'E;ext=1\r\n{"quantity":1}\r\n0\r\n\r\n',
                b'000e\r\n{"quantity":1}\r\n0\r\nX-Trailer: y\r\n\r\n',
                b"0\r\n\r\n",
            )
        )
        return joined([first, *lines, b"Transfer-Encoding: chunked"], body)

    def _cold(self) -> bytes:
        chance = self.random
        token = self._token()
        body = b'{"provider":"dev","code":"x"}'
        return chance.choice(
            (
                joined([b"GET /livez HTTP/1.1", b"Host: a"]),
                joined([b"GET /livez HTTP/1.1", b"Host: a", b"User-Agent: x"]),
                joined([b"HEAD /livez HTTP/1.1", b"Host: a"]),
                joined([b"GET /nothing HTTP/1.1", b"Host: a", token]),
                joined([b"GET /v1/drops/plenty/reservations HTTP/1.1", b"Host: a"]),
                joined(
                    [b"GET /v1/reservations/plenty-0123456789abcdef HTTP/1.1", b"Host: a", token]
                ),
                joined([b"DELETE /v1/reservations/x HTTP/1.1", b"Host: a", token]),
                joined([b"OPTIONS /v1/time HTTP/1.1", b"Host: a"]),
                joined([b"GET /v1/orders?limit=0 HTTP/1.1", b"Host: a", token]),
                joined(
                    [
                        b"POST /v1/sessions HTTP/1.1",
                        b"Host: a",
                        b"Content-Type: application/json",
                        b"Content-Length: %d" % len(body),
                    ],
                    body,
                ),
                joined([b"POST /nothing HTTP/1.1", b"Host: a", b"Content-Length: 3"], b"abc"),
                joined([b"GET /livez HTTP/1.1", b"Host: a", b"Content-Length: 5"], b"12345"),
            )
        )

    def _smuggled(self) -> bytes:
        """Two readers might not agree on where this ends."""
        chance = self.random
        inner = joined(
            [b"POST /v1/drops/plenty/reservations HTTP/1.1", b"Host: a", self._token()], b""
        )
        first = [b"POST /v1/drops/plenty/reservations HTTP/1.1", b"Host: a", self._token()]
        length, whole = b"%d" % len(inner), b"0\r\n\r\n" + inner
        what = chance.randrange(14)
        if what == 0:
            return joined(
                [*first, b"Content-Length: %d" % len(whole), b"Transfer-Encoding: chunked"], whole
            )
        if what == 1:
            return joined([*first, b"Transfer-Encoding: chunked", b"Content-Length: 3"], whole)
        if what == 2:
            return joined([*first, b"Content-Length: 0", b"Content-Length: " + length], inner)
        if what == 3:
            return joined(
                [*first, b"Content-Length: " + length, b"Content-Length: " + length], inner
            )
        if what == 4:
            odd = chance.choice(
                (
                    b"+%s",
                    b"0%s",
                    b"0x%s",
                    b"%s ",
                    b" %s",
                    b"%s, %s",
                    b"-%s",
                    b"%s.0",
                    b"%s;x",
                    b'"%s"',
                )
            )
            return joined([*first, b"Content-Length: " + odd.replace(b"%s", length)], inner)
        if what == 5:
            return joined([*first, b"Content-Length : " + length], inner)
        if what == 6:
            return joined(
                [*first, b"X: y", chance.choice((b" ", b"\t")) + b"Content-Length: 1"], inner
            )
        if what == 7:
            return joined([*first, b"X: y\nContent-Length: " + length], inner)
        if what == 8:
            return joined([*first, b"X: y\rContent-Length: " + length], inner)
        if what == 9:
            return joined([*first, b"X: a\0b", b"Content-Length: " + length], inner)
        if what == 10:
            odd = chance.choice(
                (
                    b"Transfer-Encoding: xchunked",
                    b"Transfer-Encoding: chunked, identity",
                    b"Transfer-Encoding: identity",
                    b"Transfer-Encoding:\x0bchunked",
                    b"Transfer-Encoding : chunked",
                    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x",
                    b"Transfer_Encoding: chunked",
                    b"transfer-encoding:chunked",
                    b" Transfer-Encoding: chunked",
                )
            )
            return joined([*first, odd, b"Content-Length: " + length], inner)
        if what == 11:
            return b"\n".join([*first, b"Content-Length: 0", b"", b""])
        if what == 12:
            return joined([*first, chance.choice((b"no colon", b": x", b"a b: c", b"a\x7fb: c"))])
        return joined([*first, b"Content-Length: 99999999999999999999"], inner)

    def _mutated(self, raw: bytes) -> bytes:
        """The same with a few bytes changed, lost, doubled or made up."""
        chance = self.random
        changed = bytearray(raw)
        for _ in range(chance.choice((1, 1, 2, 5))):
            at = chance.randrange(len(changed))
            what = chance.randrange(4)
            if what == 0:
                changed[at] = chance.randrange(256)
            elif what == 1:
                del changed[at : at + chance.choice((1, 1, 2, 20))]
            elif what == 2:
                changed[at:at] = bytes(changed[at : at + chance.choice((1, 2, 30))])
            else:
                changed[at:at] = chance.choice((b"\r", b"\n", b"\r\n", b"\0", b" ", b":", b"\t"))
        return bytes(changed)

    def _cut(self, raw: bytes) -> Sequence[bytes]:
        chance = self.random
        if chance.random() < 0.5:
            return [raw]
        cuts = sorted(chance.randrange(1, len(raw)) for _ in range(chance.choice((1, 1, 2, 5, 12))))
        return [raw[a:b] for a, b in zip([0, *cuts], [*cuts, len(raw)], strict=True) if a < b]


def joined(lines: Sequence[bytes], body: bytes = b"") -> bytes:
    return b"\r\n".join([*lines, b"", b""]) + body
