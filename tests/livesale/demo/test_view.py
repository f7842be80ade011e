"""What people see: drawn from a scene, without a system behind it."""

import io

from rich.console import Console

from livesale.demo.options import DemoOptions
from livesale.demo.plan import buyer_ids, plan_crowd
from livesale.demo.scene import Scene
from livesale.demo.view import WIDTH, line, panel, sparkline, stock_bar
from livesale.demo.wire import Report
from stock.books import Books


def scene_in_the_middle() -> Scene:
    scene = Scene(DemoOptions(buyers=2_000, stock=1_000))
    scene.opens, scene.now_s, scene.url = True, 4.25, "http://127.0.0.1:8080"
    scene.see(Books(allotted=1_000, available=600, held=150, sold=250, burned=0))
    scene.hear(
        Report({"201 held": 3, "409 sold_out": 1}, [1_000, 2_000, 3_000, 90_000], [], [], [], [])
    )
    scene.rates.extend([10, 200, 3_000])
    scene.rate_now, scene.orders_in_sql, scene.sold_in_sql = 3_000.0, 400, 240
    scene.see_lag(7)
    scene.note("half of the stock is paid")
    return scene


def drawn(scene: Scene) -> list[str]:
    out = io.StringIO()
    Console(file=out, width=120, color_system=None).print(panel(scene))
    return out.getvalue().splitlines()


def test_the_panel_shows_books_rates_latency_and_sql() -> None:
    lines = drawn(scene_in_the_middle())
    assert {len(text.rstrip()) for text in lines} == {WIDTH}
    text = "\n".join(lines)
    for part in ("ON SALE", "sold 250", "held 150", "left 600", "3,000/s", "201 held 3"):
        assert part in text
    for part in ("p50 2.0 ms", "p99 90.0 ms", "400 orders", "lag 7", "+4.25 s  half of the stock"):
        assert part in text


def test_the_panel_counts_down() -> None:
    scene = Scene(DemoOptions())
    assert "starting" in "\n".join(drawn(scene))
    scene.opens, scene.now_s = True, -2.34
    assert "the doors open in 2.3 s" in "\n".join(drawn(scene))


def test_a_line_for_a_pipe() -> None:
    assert line(scene_in_the_middle()) == (
        "  +4.2 s  sold   250  held   150  left   600 |  3,000 req/s  p50 2.0 ms  p99 90.0 ms | "
        "SQL 400 orders, lag 7"
    )


def test_the_bar_is_full_and_its_parts_are_in_proportion() -> None:
    scene = scene_in_the_middle()
    bar = stock_bar(scene, width=40).split("\n")[0]
    lengths = {str(span.style): span.end - span.start for span in bar.spans}
    assert lengths == {"green": 10, "yellow": 6, "cyan": 24}
    assert len(bar.plain) == 40


def test_the_last_unit_can_be_seen() -> None:
    scene = Scene(DemoOptions(stock=100_000))
    scene.see(Books(allotted=100_000, available=1, held=0, sold=99_999, burned=0))
    bar = stock_bar(scene, width=40).split("\n")[0]
    assert [str(span.style) for span in bar.spans if span.end > span.start] == ["green", "cyan"]
    assert len(bar.plain) == 40


def test_sparklines_scale_to_their_peak() -> None:
    assert sparkline([0, 1, 4, 8]) == " ▁▄█"
    assert sparkline([0, 0]) == "  "
    assert sparkline([]) == ""


def test_the_crowd_is_mixed_and_the_same_for_the_same_seed() -> None:
    options = DemoOptions(buyers=5_000, seconds=10)
    tokens = dict.fromkeys(buyer_ids(options, "d"), "t")
    crowd = plan_crowd(options, tokens, seed=7)
    assert crowd == plan_crowd(options, tokens, seed=7)
    assert crowd != plan_crowd(options, tokens, seed=8)
    assert len({buyer.buyer_id for buyer in crowd}) == 5_000
    assert {buyer.quantity for buyer in crowd} == {1, 2, 3}
    assert all(0 <= buyer.at_s <= options.seconds for buyer in crowd)
    assert sum(buyer.at_s < 1 for buyer in crowd) > 1_500  # the spike
    for habit in ("keyed", "doubles", "repeats", "walks_away", "patient"):
        assert {getattr(buyer, habit) for buyer in crowd} == {True, False}
    # A request that is sent twice needs a key, or it is two requests.
    assert all(buyer.keyed for buyer in crowd if buyer.doubles or buyer.repeats)
