"""Tickets that were given."""

from prometheus_client import Counter

from livesale.telemetry.metrics import REGISTRY

TICKETS = Counter(
    "livesale_tickets_total",
    "Purchase tickets given (issued), or a challenge in their place (challenge)",
    ["answer"],
    registry=REGISTRY,
)
