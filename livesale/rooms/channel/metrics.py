"""Metrics of sockets."""

from prometheus_client import Counter, Gauge, Histogram

from livesale.telemetry.metrics import FAST_S, REGISTRY

SOCKETS = Gauge(
    "livesale_room_sockets", "Open sockets, of live rooms and of operators", registry=REGISTRY
)
SOCKETS_CLOSED = Counter(
    "livesale_room_sockets_closed_total",
    "Sockets closed, by the reason of docs/realtime.md, or `client`",
    ["why"],
    registry=REGISTRY,
)
ROOM_ROUND_S = Histogram(
    "livesale_room_round_seconds",
    "Duration of one round of sending to all sockets of a room",
    buckets=FAST_S,
    registry=REGISTRY,
)
