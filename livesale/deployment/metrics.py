"""Metrics of closed partitions."""

from prometheus_client import Gauge

from livesale.telemetry.metrics import REGISTRY

PARTITION_CLOSED = Gauge(
    "livesale_partition_closed",
    "1 while this process keeps a partition closed: Redis and SQL do not match",
    ["partition"],
    registry=REGISTRY,
)
