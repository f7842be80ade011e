"""The curves as load shapes of Locust, whose master calls them every second."""

import time

from locust import LoadTestShape

from loadtests import curves
from loadtests.curves import Crowd
from loadtests.stage import STAGE

BREAKS_P95_MS = 1_000.0
BREAKS_FAILING = 0.01  # of requests in the last ten seconds
CALM_S = 5.0  # skip the first seconds: they measure the start


class Curve(LoadTestShape):
    """`people` and `lasts_s` come from `--users` and `--run-time`."""

    abstract = True
    use_common_options = True

    def tick(self) -> Crowd:
        if STAGE.over:
            return None
        assert self.runner is not None  # noqa: S101  Locust sets it
        options = self.runner.environment.parsed_options
        assert options is not None  # noqa: S101
        at_s = time.perf_counter() - self.start_time
        return self.crowd(at_s, options.num_users, options.run_time)

    def crowd(self, at_s: float, people: int, lasts_s: float) -> Crowd:
        raise NotImplementedError


class Spike(Curve):
    abstract = True

    def crowd(self, at_s: float, people: int, lasts_s: float) -> Crowd:
        return curves.spike(at_s, people, lasts_s)


class LiveRoom(Curve):
    abstract = True

    def crowd(self, at_s: float, people: int, lasts_s: float) -> Crowd:
        opens_s = [at_s + (drop.opens_ms - STAGE.now_ms()) / 1000 for drop in STAGE.drops]
        return curves.live_room(at_s, people, lasts_s, opens_s)


class Soak(Curve):
    abstract = True

    def crowd(self, at_s: float, people: int, lasts_s: float) -> Crowd:
        return curves.soak(at_s, people, lasts_s)


class Ramp(Curve):
    """Ends when one request in a hundred fails, or the slowest twentieth takes a second."""

    abstract = True

    def crowd(self, at_s: float, people: int, lasts_s: float) -> Crowd:
        why = self._gave_way() if at_s > CALM_S else ""
        if why:
            STAGE.broke(why)
        return curves.ramp(at_s, people, lasts_s, bool(why))

    def _gave_way(self) -> str:
        assert self.runner is not None  # noqa: S101
        total = self.runner.stats.total
        p95_ms = total.get_current_response_time_percentile(0.95) or 0
        failing = total.current_fail_per_sec / (total.current_rps or 1)
        if failing > BREAKS_FAILING:
            return f"{failing:.1%} of requests fail"
        if p95_ms > BREAKS_P95_MS:
            return f"p95 is {p95_ms:,.0f} ms"
        return ""
