"""Metrics of private channels."""

from prometheus_client import Counter, Gauge

from livesale.telemetry.metrics import REGISTRY

SEATS = Gauge(
    "livesale_private_channels", "Open private channels, with waiting polls", registry=REGISTRY
)
NOTICES_TOLD = Counter(
    "livesale_notices_total", "Notices told to buyers by private channels", registry=REGISTRY
)
READ_AGAIN = Counter(
    "livesale_notices_read_again_total",
    "Buyers told to read their reservations again, also newcomers",
    registry=REGISTRY,
)
