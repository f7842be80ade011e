"""What reservations count."""

from prometheus_client import Counter, Gauge, Histogram

from livesale.telemetry.histograms import Counters
from livesale.telemetry.metrics import BATCH, REGISTRY

RESERVATIONS = Counters(
    "livesale_reservations_total",
    "Answers to attempts to reserve: codes of stock.model.ReserveCode, or the name of a fault",
    ["code"],
    REGISTRY,
)
SOLD_OUT_SHORTCUTS = Counter(
    "livesale_sold_out_shortcuts_total",
    "Attempts that the worker's flag answered with sold out, without Redis",
    registry=REGISTRY,
)
BATCH_SIZE = Histogram(
    "livesale_reserve_batch_size", "Attempts per EVALSHA", buckets=BATCH, registry=REGISTRY
)
BATCH_QUEUE = Gauge("livesale_reserve_queue", "Attempts waiting for Redis", registry=REGISTRY)
