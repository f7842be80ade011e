"""What people see: drawn from a scene, without a system behind it."""

import pytest

from livesale.demo.options import DemoOptions
from livesale.demo.plan import plan_visits
from livesale.demo.scene import Scene
from livesale.demo.tell import Teller, clock, figures
from livesale.demo.view import WIDTH, fits, panel, sparkline, stock_bar
from livesale.printing.output import plain
from loadtests.line import Answer
from stock.books import Books


def scene_in_the_middle() -> Scene:
    scene = Scene(DemoOptions(people=2_000, stock=1_000))
    scene.begun_ms, scene.now_s, scene.page = 0.0, 4.25, "http://127.0.0.1:8080/shop"
    scene.see("d", Books(allotted=1_000, available=600, held=150, sold=250, burned=0))
    for took_us in (1_000, 2_000, 3_000):
        scene.hear("reserve", Answer(201, "held"), took_us)
    scene.hear("reserve", Answer(409, "sold_out"), 90_000)
    scene.rates.extend([10, 200, 3_000])
    scene.rate_now = 3_000.0
    scene.see_sql(400, 240, 7)
    scene.tell("half of the stock is paid")
    return scene


def drawn(scene: Scene, width: int = 120, height: int = 0) -> list[str]:
    return plain(panel(scene, width, height), width=width).splitlines()


def test_the_panel_shows_books_rates_latency_and_sql() -> None:
    lines = drawn(scene_in_the_middle())
    assert {len(text.rstrip()) for text in lines} == {WIDTH}
    text = "\n".join(lines)
    for part in ("ON SALE", "sold 250", "held 150", "left 600", "3,000/s", "201 held 3"):
        assert part in text
    for part in (
        "p50 2.0 ms",
        "p99 90.0 ms",
        "400 orders",
        "lag 7",
        "+4.25 s  half of the stock",
        "so far, of 4",
    ):
        assert part in text


def test_the_panel_counts_down() -> None:
    scene = Scene(DemoOptions())
    assert "starting" in "\n".join(drawn(scene))
    scene.begun_ms, scene.now_s = 0.0, -2.34
    assert "the doors open in 2.3 s" in "\n".join(drawn(scene))


@pytest.mark.parametrize(("width", "height"), [(60, 20), (70, 20), (80, 24), (96, 30), (200, 60)])
def test_the_panel_fits_the_terminal(width: int, height: int) -> None:
    # given a sale with much to say
    scene = scene_in_the_middle()
    scene.page = "http://127.0.0.1:54321/shop"
    scene.samples, scene.requests = 12_345, 1_234_567
    scene.rates.extend([12_345.0] * 200)
    scene.answers.update({"409 sold_out": 99_999, "425 not_open": 88_888, "503 overloaded": 77_777})
    for number in range(20):
        scene.tell(f"event {number} " + "with a very long story " * 5)
    # when
    lines = drawn(scene, width, height)
    # then every line is as wide as the panel, and the cursor has a line of its own
    assert {len(text) for text in lines} == {min(width, WIDTH)}
    assert len(lines) < height
    # and: the newest event is the last one shown, everything else has its line
    assert "event 19" in lines[-3]
    for part in ("sold 250", "left 600", "p50", "409 sold out", "400 orders"):
        assert sum(part in text for text in lines) == 1
    assert ("12,345/12,345 samples" in "".join(lines)) == (width >= WIDTH)


def test_a_smaller_terminal_gets_lines() -> None:
    assert fits(60, 20)
    assert not fits(59, 20)
    assert not fits(60, 19)


def test_what_was_not_measured_yet_is_not_shown_as_zero() -> None:
    scene = Scene(DemoOptions())
    lines = [text.strip("│ ") for text in drawn(scene)]
    for name in ("requests", "latency", "answers", "SQL"):
        [shown] = [text for text in lines if text.startswith(name)]
        assert shown.split() == [name, "–"]
    legend = ["█", "sold", "–", "▓", "held", "–", "░", "left", "–"]
    assert legend in [text.split() for text in lines]
    assert "p50 –" in figures(scene)


def test_a_line_for_a_pipe() -> None:
    assert figures(scene_in_the_middle()) == (
        "sold   250  held   150  left   600 |  3,000 req/s  p50 2.0 ms  p99 90.0 ms so far | "
        "SQL 400 orders, lag 7"
    )


def test_plain_lines_say_nothing_twice() -> None:
    scene = Scene(DemoOptions(stock=1_000))
    teller = Teller(scene)
    # given a phase that lasts: it is said once
    assert [teller.news(0), teller.news(1)] == [["          starting"], []]
    # when the doors are about to open, nor is it said while they are
    scene.begun_ms, scene.now_s, scene.phase = 0.0, -1.0, "the crowd waits"
    assert [teller.news(2), teller.news(3)] == [["          the crowd waits"], []]
    # when something changes, then it is told, and once
    scene.now_s = 1.0
    scene.see("d", Books(available=999, held=1, sold=0, burned=0, allotted=1_000))
    scene.tell("the first units are held")
    event, line = teller.news(4)
    assert event == "  +1.0 s  * the first units are held"
    assert line == f"  +1.0 s  {figures(scene)}"
    assert teller.news(5) == []
    # when all is sold, then what still changes is told every five seconds
    scene.see("d", Books(available=0, held=0, sold=1_000, burned=0, allotted=1_000))
    told = []
    for second in range(6, 17):
        scene.rate_now = float(second)
        told += teller.news(second)
    assert len(told) == 2


def test_the_clock_never_says_minus_nothing() -> None:
    assert [clock(at_s) for at_s in (-0.04, 0.04, -1.26)] == ["  +0.0 s", "  +0.0 s", "  -1.3 s"]


def test_the_bar_is_full_and_its_parts_are_in_proportion() -> None:
    scene = scene_in_the_middle()
    bar = stock_bar(scene, width=40).split("\n")[0]
    lengths = {str(span.style): span.end - span.start for span in bar.spans}
    assert lengths == {"green": 10, "yellow": 6, "cyan": 24}
    assert len(bar.plain) == 40


def test_the_last_unit_can_be_seen() -> None:
    scene = Scene(DemoOptions(stock=100_000))
    scene.see("d", Books(allotted=100_000, available=1, held=0, sold=99_999, burned=0))
    bar = stock_bar(scene, width=40).split("\n")[0]
    assert [str(span.style) for span in bar.spans if span.end > span.start] == ["green", "cyan"]
    assert len(bar.plain) == 40


def test_sparklines_scale_to_their_peak() -> None:
    assert sparkline([0, 1, 4, 8]) == " ▁▄█"
    assert sparkline([0, 0]) == "  "
    assert sparkline([]) == ""


def test_the_crowd_is_mixed_and_the_same_for_the_same_seed() -> None:
    options = DemoOptions(people=5_000, seconds=10)
    crowd = plan_visits(options, seed=7)
    assert crowd == plan_visits(options, seed=7)
    assert crowd != plan_visits(options, seed=8)
    assert len(crowd) == 5_000
    assert {visit.quantity for visit in crowd} == {1, 2, 3}
    assert all(-1.5 <= visit.at_s <= options.seconds for visit in crowd)
    assert 50 < sum(visit.at_s < 0 for visit in crowd) < 300  # the early ones
    assert sum(visit.at_s < 1 for visit in crowd) > 1_500  # the spike
    for habit in ("keyed", "doubles", "repeats", "walks_away", "patient"):
        assert {getattr(visit, habit) for visit in crowd} == {True, False}
    # A request that is sent twice needs a key, or it is two requests.
    assert all(visit.keyed for visit in crowd if visit.doubles or visit.repeats)
