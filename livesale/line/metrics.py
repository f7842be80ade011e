"""Metrics of tickets."""

from prometheus_client import Counter

from livesale.telemetry.metrics import REGISTRY

TICKETS = Counter(
    "livesale_tickets_total",
    "Issued purchase tickets (issued), or challenges instead of one (challenge)",
    ["answer"],
    registry=REGISTRY,
)
