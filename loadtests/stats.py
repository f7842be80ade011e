"""Writes Locust's figures to disk: a beat each second, the latencies at the end."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct, field

from loadtests.figures import Latency
from loadtests.line import RESERVE

if TYPE_CHECKING:
    from locust.stats import RequestStats

BEAT_FILE = "beat.json"
LATENCY_FILE = "latencies.json"


class Beat(Struct, frozen=True):
    """The figures of one second; rates and p95 are over the last ten seconds."""

    at_s: float
    users: int
    requests: int
    failures: int
    per_s: float
    p95_ms: float
    opens_s: list[float] = field(default_factory=list)  # seconds until each drop opens


def write_beat(folder: Path, beat: Beat) -> None:
    """Replace the last beat, atomically."""
    fresh = folder / f"{BEAT_FILE}.new"
    fresh.write_bytes(msgspec.json.encode(beat))
    os.replace(fresh, folder / BEAT_FILE)


def read_beat(folder: Path) -> Beat | None:
    try:
        return msgspec.json.decode((folder / BEAT_FILE).read_bytes(), type=Beat)
    except FileNotFoundError:
        return None


def write_latencies(folder: Path, stats: "RequestStats") -> None:
    """Latencies of all requests, of reservations, then of the others, the most frequent first."""
    entries = sorted(
        stats.entries.values(), key=lambda entry: (entry.name != RESERVE, -entry.num_requests)
    )
    found = [
        Latency(
            entry.name,
            entry.num_requests,
            round(entry.total_rps, 1),
            entry.get_response_time_percentile(0.5),
            entry.get_response_time_percentile(0.95),
            entry.get_response_time_percentile(0.99),
            entry.max_response_time,
        )
        for entry in [stats.total, *entries]
        if entry.num_requests
    ]
    (folder / LATENCY_FILE).write_bytes(msgspec.json.encode(found))


def read_latencies(folder: Path) -> list[Latency]:
    try:
        raw = (folder / LATENCY_FILE).read_bytes()
    except FileNotFoundError:
        return []
    return msgspec.json.decode(raw, type=list[Latency])
