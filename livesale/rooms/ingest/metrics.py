"""What hooks count."""

from prometheus_client import Counter

from livesale.telemetry.metrics import REGISTRY

INGEST_HOOKS = Counter(
    "livesale_ingest_hooks_total",
    "Hooks of media servers: publish, update, done, play or other; accepted, or the problem's code",
    ["hook", "answer"],
    registry=REGISTRY,
)
