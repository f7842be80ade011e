"""What HTTP counts."""

from prometheus_client import Counter, Gauge

from livesale.telemetry import briefs
from livesale.telemetry.histograms import Counters, Histograms
from livesale.telemetry.metrics import FAST_S, REGISTRY

HTTP_REQUESTS = Counters(
    "livesale_http_requests_total",
    "Requests answered, by route template",
    ["method", "route", "status"],
    REGISTRY,
)
_PROBLEMS = Counters(
    "livesale_problems_total",
    "Requests that were refused or failed, by the code of the problem; attempts to reserve that "
    "the engine answered are in livesale_reservations_total",
    ["code"],
    REGISTRY,
)
PROBLEMS = _PROBLEMS.row()
HTTP_SECONDS = Histograms(
    "livesale_http_request_seconds",
    "From the parsed request to the answer, by route template",
    "route",
    FAST_S,
    REGISTRY,
)
briefs.give("problems", _PROBLEMS.counts)
briefs.give("seconds", HTTP_SECONDS.counts)
HTTP_IN_FLIGHT = Gauge(
    "livesale_http_requests_in_flight", "Requests being answered", registry=REGISTRY
)
HTTP_CONNECTIONS = Gauge("livesale_http_connections", "Open connections", registry=REGISTRY)
HTTP_CUT = Counter(
    "livesale_http_cut_total",
    "Connections cut off: silent, slow_head, head_bytes, stalled, owed, gave_way, or full",
    ["why"],
    registry=REGISTRY,
)
HTTP_OWED = Gauge(
    "livesale_http_owed_bytes",
    "Bytes of answers that clients have not read yet",
    registry=REGISTRY,
)
LIMITED = Counter(
    "livesale_limited_total", "Requests refused by a rate limit", ["by"], registry=REGISTRY
)
