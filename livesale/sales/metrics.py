"""What reservations count."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from livesale.telemetry import briefs
from livesale.telemetry.histograms import Counters
from livesale.telemetry.metrics import BATCH, REGISTRY

RESERVATIONS = Counters(
    "livesale_reservations_total",
    "Answers to attempts to reserve: codes of stock.model.ReserveCode, or the name of a fault",
    ["code"],
    REGISTRY,
)
briefs.give("reservations", RESERVATIONS.counts)
SOLD_OUT_SHORTCUTS = Counter(
    "livesale_sold_out_shortcuts_total",
    "Attempts that the worker's flag answered with sold out, without Redis",
    registry=REGISTRY,
)
BATCH_SIZE = Histogram(
    "livesale_reserve_batch_size", "Attempts per EVALSHA", buckets=BATCH, registry=REGISTRY
)
BATCH_QUEUE = Gauge("livesale_reserve_queue", "Attempts waiting for Redis", registry=REGISTRY)


class RewriteMetrics:
    """Of the keeper's job that rewrites the AOF of Redis."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.grown = Gauge(
            "livesale_aof_grown_bytes",
            "How much the AOF of Redis has grown since its last rewrite",
            registry=registry,
        )
        self.rewrites = Counter(
            "livesale_aof_rewrites_total",
            "Rewrites of the AOF that the keeper began: quiet, opening, or budget",
            ["why"],
            registry=registry,
        )
