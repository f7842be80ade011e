"""Metrics of partitions and of the servers that have them."""

from prometheus_client import Counter, Gauge

from livesale.telemetry.metrics import REGISTRY

PARTITION_CLOSED = Gauge(
    "livesale_partition_closed",
    "1 while this process keeps a partition closed: Redis and SQL do not match",
    ["partition"],
    registry=REGISTRY,
)

SERVER_UP = Gauge(
    "livesale_redis_server_up",
    "1 if this process reaches a primary of Redis and may use it; the only one has no name",
    ["server"],
    registry=REGISTRY,
)
SERVER_PARTITIONS = Gauge(
    "livesale_redis_server_partitions",
    "Partitions that a primary of Redis has",
    ["server"],
    registry=REGISTRY,
)
SERVER_CHANGES = Counter(
    "livesale_redis_server_changes",
    "Times that partitions came to a server that this process had to compare with SQL",
    registry=REGISTRY,
)
