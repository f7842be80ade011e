"""What the process of a check tells the keeper: a JSON line each, on its stdout."""

import msgspec
from msgspec import Struct

from livesale.operations.checks.store import CheckFinding, CheckProgress

MAX_LINE_BYTES = 1 << 20


class Told(Struct, frozen=True, omit_defaults=True):
    """One line has one of these. `ended` is the last one: all findings, in their order."""

    progress: CheckProgress | None = None
    finding: CheckFinding | None = None
    ended: list[CheckFinding] | None = None
    failed: str = ""  # why it cannot check


_decoder = msgspec.json.Decoder(Told)


def encode(told: Told) -> str:
    return msgspec.json.encode(told).decode()


def decode(line: bytes) -> Told:
    """Raises msgspec.MsgspecError."""
    return _decoder.decode(line)
