"""Tallies and spans show what prometheus_client's own counters and histograms would."""

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from livesale.telemetry.histograms import Counters, Histograms

BOUNDS = (0.001, 0.01, 1.0)
TOOK_S = [0.0, 0.001, 0.0011, 0.5, 1.0, 7.0]


def shown(registry: CollectorRegistry) -> list[str]:
    text = generate_latest(registry).decode().splitlines()
    return sorted(line for line in text if "_created" not in line)


def test_a_tally_shows_what_a_counter_shows() -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    tally = Counters("seen_total", "What was seen", ["place", "what"], ours)
    counter = Counter("seen_total", "What was seen", ["place", "what"], registry=theirs)
    for place, what in [("here", 200), ("here", 404), ("there", 200), ("here", 200)]:
        tally.row(place)[what] += 1
        counter.labels(place, what).inc()
    assert shown(ours) == shown(theirs)


def test_spans_show_what_a_histogram_shows() -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    span = Histograms("took_seconds", "How long", "place", BOUNDS, ours).of("here")
    histogram = Histogram(
        "took_seconds", "How long", ["place"], buckets=BOUNDS, registry=theirs
    ).labels("here")
    for took_s in TOOK_S:
        span.observe(took_s)
        histogram.observe(took_s)
    assert shown(ours) == shown(theirs)
