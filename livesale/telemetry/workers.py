"""Metrics of the writer and the keeper, on a given registry."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


class WriterMetrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        self.lag = Gauge(
            "livesale_writer_lag_entries",
            "Log entries that SQL does not have yet",
            ["partition"],
            registry=registry,
        )
        self.state = Gauge(
            "livesale_writer_state",
            "1 for the present state of a partition's writer",
            ["partition", "state"],
            registry=registry,
        )
        self.entries = Counter(
            "livesale_writer_entries_total", "Log entries committed to SQL", registry=registry
        )
        self.rows = Counter("livesale_writer_rows_total", "Rows written to SQL", registry=registry)
        self.commit_s = Histogram(
            "livesale_writer_commit_seconds",
            "Duration of one transaction of the writer",
            buckets=_SECONDS,
            registry=registry,
        )
        self.sql_up = Gauge(
            "livesale_writer_sql_up",
            "0 after a fault of SQL, until a transaction succeeds",
            registry=registry,
        )
        self.faults = Counter(
            "livesale_writer_faults_total",
            "Faults after which the writer waits and retries",
            ["of"],  # sql, redis, or writer for an unexpected fault
            registry=registry,
        )
        self.quarantined = Counter(
            "livesale_writer_quarantined_total",
            "Log entries that were put into quarantine",
            registry=registry,
        )
        self.drifts = Counter(
            "livesale_writer_books_drifts_total",
            "Times that the books of a drop in SQL differed from the log",
            registry=registry,
        )


class KeeperMetrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        self.expired = Counter(
            "livesale_keeper_expired_total", "Holds ended at their deadline", registry=registry
        )
        self.closed = Counter(
            "livesale_keeper_closed_total", "Drops closed at their time", registry=registry
        )
        self.archived = Counter(
            "livesale_keeper_archived_total",
            "Finished drops that were removed from Redis and sealed, or sealed again",
            registry=registry,
        )
        self.late_ms = Gauge(
            "livesale_keeper_late_ms",
            "Lateness of the oldest due member when a sweep found it",
            ["partition"],
            registry=registry,
        )
        self.up = Gauge(
            "livesale_keeper_up",
            "1 if the last sweep of a partition succeeded",
            ["partition"],
            registry=registry,
        )
        self.sweep_s = Histogram(
            "livesale_keeper_sweep_seconds",
            "Duration of one sweep of a partition",
            buckets=_SECONDS,
            registry=registry,
        )
        self.faults = Counter(
            "livesale_keeper_faults_total", "Sweeps that failed", registry=registry
        )
        self.unsettled = Counter(
            "livesale_keeper_unsettled_total",
            "Holds that expired while the payment gateway did not say whether they were paid",
            registry=registry,
        )
        self.refunds_waiting = Gauge(
            "livesale_refunds_waiting",
            "Refunds that the payment gateway has not accepted yet",
            registry=registry,
        )
        self.refund_oldest_s = Gauge(
            "livesale_refund_oldest_seconds",
            "Age of the oldest waiting refund",
            registry=registry,
        )
        self.refunds_failed = Gauge(
            "livesale_refunds_failed",
            "Refunds that the payment gateway could not pay: a person must act",
            registry=registry,
        )
        self.refund_faults = Counter(
            "livesale_refund_faults_total",
            "Failed attempts to send a refund",
            registry=registry,
        )
        self.passed_by = Gauge(
            "livesale_keeper_passed_by",
            "Due members that a sweep skips because their drop refuses: see the log",
            ["partition"],
            registry=registry,
        )
