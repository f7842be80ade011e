"""The scenarios by name. Each is an ordinary Locust file in this folder."""

from pathlib import Path

from msgspec import Struct

# Environment variables of a scenario, besides Locust's flags.
REPORT_VARIABLE = "LIVESALE_LOAD_REPORT"  # a folder; if set, the caller makes the checks
# Exit codes of Locust if the scenario was refused, or the service does not answer.
REFUSED, AWAY = 2, 3
TOKEN_VARIABLE = "LIVESALE_LOAD_OPERATOR_TOKEN"  # noqa: S105  the name, not the token


class Scenario(Struct, frozen=True):
    """`users` and `lasts_s` are defaults; `budget` is the share of answers that may be 5xx or
    missing."""

    name: str
    about: str
    users: int
    lasts_s: int
    budget: float = 0.001
    in_room: bool = False  # whether a live room sells the drops

    @property
    def file(self) -> Path:
        return Path(__file__).with_name(f"{self.name}.py")


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario("flash_spike", "everybody waits for one opening, and reserves at once", 500, 60),
        Scenario(
            "live_room",
            "a live room: a drop every half minute, likes, comments, lost connections",
            300,
            120,
            in_room=True,
        ),
        Scenario(
            "room_storm",
            "a live room whose viewers all reconnect at once, again and again",
            300,
            60,
            in_room=True,
        ),
        Scenario("sold_out_storm", "few units, and a crowd that keeps asking", 200, 60),
        Scenario("line", "a waiting room: places, turns, people who do not come", 400, 90),
        Scenario("soak", "the same load for long, a new drop every minute", 100, 600),
        Scenario(
            "ramp_to_break", "more and more buyers, until answers fail or get slow", 600, 120, 0.05
        ),
    )
}
