"""Metrics of the keeper of orders."""

from prometheus_client import CollectorRegistry, Counter


class OrderMetrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        self.moved = Counter(
            "livesale_order_moves_total",
            "What the keeper did after the sale: received, resealed (an address, by the new key), "
            "decided (a case, at its deadline), refunded (a case), taken_back, or outside (units "
            "that came back when their drop was over)",
            ["what"],
            registry=registry,
        )
        self.faults = Counter(
            "livesale_order_faults_total",
            "Steps of orders after the sale that failed and are retried",
            registry=registry,
        )
