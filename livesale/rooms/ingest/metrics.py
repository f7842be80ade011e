"""Metrics of hooks."""

from prometheus_client import Counter

from livesale.telemetry.metrics import REGISTRY

INGEST_HOOKS = Counter(
    "livesale_ingest_hooks_total",
    "Hooks of media servers, by kind (publish, update, done, play, other) and answer",
    ["hook", "answer"],
    registry=REGISTRY,
)
