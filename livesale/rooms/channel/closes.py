"""The table of close codes. Names and codes never change."""

import msgspec
from msgspec import Struct


class Close(Struct, frozen=True):
    """`reason` goes to the client; `advice` says what a client does. After a client's `fault` we
    read nothing more from it."""

    code: int
    reason: str
    advice: str
    fault: bool = False


CLOSES: dict[str, Close] = {
    "protocol_error": Close(
        1002, "protocol_error", "Client bug: fix before you reconnect.", fault=True
    ),
    "no_binary": Close(1003, "no_binary", "Send text frames.", fault=True),
    "not_utf8": Close(1007, "not_utf8", "Client bug: fix before you reconnect.", fault=True),
    "frame_too_large": Close(1009, "frame_too_large", "Send smaller frames.", fault=True),
    "restart": Close(
        1012, "restart", "Reconnect with your place after `retry_ms`, which is in the reason."
    ),
    "bad_frame": Close(
        4400,
        "bad_frame",
        "Client bug: the `error` message before it says what was wrong.",
        fault=True,
    ),
    "unauthenticated": Close(4401, "unauthenticated", "Get a new token."),
    "banned": Close(4403, "banned", "Stop: you are banned from this room."),
    "forbidden": Close(4405, "forbidden", "Stop: your role may no longer see this."),
    "too_slow": Close(
        4408, "too_slow", "Reconnect with your place, on a better connection if there is one."
    ),
    "silent": Close(4409, "silent", "Reconnect with your place: you were silent for too long."),
    "room_over": Close(4410, "room_over", "Stop: the room has ended."),
    "full": Close(
        4413,
        "full",
        "Reconnect later, or with a token: when the worker is full, viewers without a token are "
        "closed first.",
    ),
    "too_many_frames": Close(
        4429, "too_many_frames", "Reconnect later, and send less often.", fault=True
    ),
}


def restart_reason(retry_ms: int) -> str:
    """The reason of `restart`, as JSON."""
    return msgspec.json.encode({"reason": "restart", "retry_ms": retry_ms}).decode()
