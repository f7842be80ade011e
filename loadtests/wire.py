"""A WebSocket as a person of a load test uses it, whatever carries it."""

import time
from typing import Any, Protocol

import msgspec
import websocket
from msgspec import Struct

from loadtests.target import Target

OPEN_S = 10.0
NO_CODE = 1006  # the connection broke: nobody sends this one


# Locust's HTTP follows no http_proxy, so neither does this. The library reads `http_no_proxy` only
# where a proxy is named, which then is never used.
_STRAIGHT: dict[str, Any] = {
    "http_no_proxy": ["*"],
    "http_proxy_host": "unused",
    "http_proxy_port": 1,
}


class Gone(Exception):
    """The socket is closed. `retry_s` is when to come back, where the service said so."""

    def __init__(self, code: int = NO_CODE, reason: str = "", retry_s: float | None = None) -> None:
        super().__init__(f"{code} {reason}".strip())
        self.code, self.reason, self.retry_s = code, reason, retry_s


class Wire(Protocol):
    """One connection. All raise Gone."""

    def receive(self, seconds: float) -> bytes | None:
        """The next message, or None when none came within so long."""
        ...

    def send(self, frame: object) -> None: ...

    def cut(self) -> None:
        """Be gone without a word, as in a lift. Does not raise."""
        ...


class Restart(Struct):
    reason: str = ""
    retry_ms: int = 0


class WebSocketWire:
    """Over websocket-client, which gevent patches. Raises Gone when it is not let in."""

    def __init__(self, target: Target, path: str, token: str) -> None:
        scheme = "wss" if target.scheme == "https" else "ws"
        try:
            self._socket = websocket.create_connection(
                f"{scheme}://{target.authority}{path}",
                timeout=OPEN_S,
                header=[f"Authorization: Bearer {token}"] if token else [],
                suppress_origin=True,
                **_STRAIGHT,
            )
        except websocket.WebSocketBadStatusException as refused:
            raise Gone(refused.status_code) from None
        except (websocket.WebSocketException, OSError):
            raise Gone from None

    def receive(self, seconds: float) -> bytes | None:
        ends_s = time.monotonic() + seconds
        while (left_s := ends_s - time.monotonic()) > 0:
            self._socket.settimeout(left_s)
            try:
                opcode, data = self._socket.recv_data()
            except websocket.WebSocketTimeoutException:
                return None
            except (websocket.WebSocketException, OSError):
                raise Gone from None
            if opcode == websocket.ABNF.OPCODE_CLOSE:
                raise _said(data)
            if opcode == websocket.ABNF.OPCODE_TEXT:
                return bytes(data)
        return None

    def send(self, frame: object) -> None:
        try:
            self._socket.settimeout(OPEN_S)
            self._socket.send(msgspec.json.encode(frame).decode())
        except (websocket.WebSocketException, OSError):
            raise Gone from None

    def cut(self) -> None:
        self._socket.shutdown()  # type: ignore[no-untyped-call]


def _said(data: bytes) -> Gone:
    """What a closing frame says."""
    code, reason = int.from_bytes(data[:2]) or NO_CODE, data[2:].decode(errors="replace")
    try:
        restart = msgspec.json.decode(reason, type=Restart)
    except msgspec.DecodeError:
        return Gone(code, reason)
    return Gone(code, restart.reason, restart.retry_ms / 1000)
