"""A brief of each process: the few figures that somebody asks for once a second.

All metrics of a process are thousands of samples, and to make, send and read them takes
milliseconds. A brief has plain counts in lists. Processes ask each other for it over the socket of
their metrics: see `livesale.telemetry.metrics`.
"""

from collections.abc import Callable, Mapping, Sequence

import msgspec
from msgspec import Struct

from livesale.tasks import TABLE

Counts = Mapping[str, Sequence[int]]  # by the value of a label

_sources: dict[str, Callable[[], Counts]] = {}


class Brief(Struct, frozen=True):
    """`down` are the failing background tasks; `counts` has the counts of each source by its name;
    `answers` is False for a process that did not answer in time."""

    down: list[str] = []
    counts: dict[str, dict[str, list[int]]] = {}
    answers: bool = True


SILENT = Brief(answers=False)

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Brief)


def give(name: str, source: Callable[[], Counts]) -> None:
    """Put these counts into the brief of this process."""
    _sources[name] = source


def own() -> Brief:
    counts = {
        name: {label: list(row) for label, row in source().items()}
        for name, source in _sources.items()
    }
    return Brief(list(TABLE.down()), counts)


def encode() -> bytes:
    return _encoder.encode(own())


def decode(answer: bytes) -> Brief:
    """An earlier release answers with all of its metrics: it is there, and has no brief."""
    try:
        return _decoder.decode(answer)
    except msgspec.DecodeError:
        return Brief()
