"""The show's view fits, its checks find what is wrong, and its screen is what the room says."""

import json
from typing import Any

import msgspec
import pytest
from rich.console import Console

from livesale.demo.live.piece import LivePiece
from livesale.demo.live.scene import LiveScene
from livesale.demo.live.screen import Screen
from livesale.demo.live.verdict import Draw, Storm, judge
from livesale.demo.live.view import panel
from livesale.demo.live.viewer import News
from livesale.demo.options import LiveOptions
from livesale.demo.view import LEAST_HEIGHT, LEAST_WIDTH
from livesale.draws import lots as draw
from loadtests.checks import Ack, OrderRow
from loadtests.history import Watched

SEED = "5e" * 32
ENTRIES = ["e1", "e2", "e3"]


def record(**changes: Any) -> bytes:
    bag = {
        "seed": SEED,
        "commitment": draw.commitment_of(SEED),
        "list_hash": draw.list_hash_of(ENTRIES),
        "places": 1,
        "winners": draw.winners_of(SEED, ENTRIES, 1),
    }
    return json.dumps({"bag": bag | changes, "entry_ids": ENTRIES}).encode()


def right() -> dict[str, Any]:
    """A show in which two units were sold of three, and one prize."""
    scene = LiveScene(LiveOptions(viewers=2, stock=2), remaining=1)
    scene.watched = [Watched("r", events=9, connections=2), Watched("r", events=9, connections=2)]
    scene.acks = [Ack("o1", "ann", 2, 200, 0)]
    return {
        "scene": scene,
        "orders": [OrderRow("o1", "ann", 2, 200, "sold")],
        "prizes": [OrderRow("p1", "bob", 1, 0, "sold")],
        "paid": {"o1"},
        "stock": 3,
        "storm": Storm(2, 2, 120.0),
        "drawn": Draw(record(), {draw.commitment_of(SEED)}, {"e1", "e2"}, 1),
    }


def broken(show: dict[str, Any]) -> list[str]:
    return [finding.title for finding in judge(**show) if not finding.ok]


def test_a_show_that_went_well_has_nothing_to_say() -> None:
    assert broken(right()) == []


@pytest.mark.parametrize(
    ("changes", "title"),
    [
        ({"storm": Storm(2, 1, 30_000.0)}, "all are back after the storm"),
        ({"stock": 4}, "the screens show what the books say"),
        ({"paid": set()}, "sold is what was paid for"),
        ({"prizes": []}, "anybody can check the draw"),
        ({"drawn": Draw(record(), {"another"}, set(), 1)}, "anybody can check the draw"),
        ({"drawn": Draw(record(winners=["e9"]), set(), set(), 1)}, "anybody can check the draw"),
        ({"drawn": Draw(b"{}", set(), set(), 1)}, "anybody can check the draw"),
        (
            {"drawn": Draw(record(), {draw.commitment_of(SEED)}, {"e7"}, 1)},
            "anybody can check the draw",
        ),
    ],
)
def test_each_check_finds_what_is_wrong(changes: dict[str, Any], title: str) -> None:
    [found] = broken(right() | changes)
    assert found.startswith(title)


def test_a_viewer_who_missed_an_event_breaks_the_show() -> None:
    show = right()
    show["scene"].watched[0].wrong.append("event 4 of epoch e is missing")
    assert broken(show) == ["no viewer misses an event or gets one twice"]


def hear(screen: Screen, offset: int, kind: str, **members: Any) -> None:
    event = {"offset": offset, "type": kind, "at_ms": 1_000} | members
    raw = json.dumps(event).encode()
    screen.hear(msgspec.json.decode(raw, type=News), raw)


def test_the_screen_is_what_the_room_says_whoever_hears_it_first() -> None:
    scene = LiveScene(LiveOptions())
    screen = Screen(scene, "d1", {"i1": "Sneaker"})
    for _ in range(2):  # two viewers
        hear(screen, 1, "item.pinned", item={"item_id": "i1"})
        drop = {"drop_id": "d1", "title": "Sneaker", "remaining": 9, "allotted": 9}
        hear(screen, 2, "drop.opening", drop=drop | {"phase": "opening", "opens_ms": 4_000})
        hear(screen, 3, "stock", stock={"drop_id": "d1", "remaining": 4, "allotted": 9})
        hear(screen, 4, "stock", stock={"drop_id": "another", "remaining": 0, "allotted": 1})
        hear(screen, 5, "people", people={"online": 2, "peak": 3, "likes": 7})
        hear(screen, 6, "comment", comment={"person_id": "ann", "text": "hi"})
    assert (scene.pinned, scene.drop, scene.drop_phase) == ("Sneaker", "Sneaker", "opening")
    assert (scene.remaining, scene.allotted, scene.opens_in_s) == (4, 9, 3.0)
    assert (scene.online, scene.peak, scene.likes, scene.events_told) == (2, 3, 7, 12)
    assert list(scene.comments) == [("ann", "hi")]
    assert [what for _, what in scene.events] == [
        "the host explains: Sneaker",
        "three, two, one …",
    ]


@pytest.mark.parametrize("height", [LEAST_HEIGHT, 22, 24, 40])
@pytest.mark.parametrize("width", [LEAST_WIDTH, 80, 200])
def test_the_panel_fits_the_terminal(width: int, height: int) -> None:
    scene = LiveScene(LiveOptions(), state="live", title="Sneakers tonight", drop_phase="open")
    scene.allotted, scene.remaining, scene.connected = 100, 37, 180
    scene.bag, scene.storm = "say 我要福袋: 5 prizes", "300 of 300 back in 0.2 s"
    scene.late_ms.extend((1.0, 40.0))
    for number in range(9):
        scene.comments.append((f"viewer-{number}", "红色还有吗" * 20))
        scene.note("something happened " * 9)
    console = Console(width=width, height=height, force_terminal=False)
    with console.capture() as captured:
        console.print(panel(scene, width, height))
    lines = captured.get().rstrip("\n").split("\n")
    assert len(lines) < height
    assert "LIVE" in captured.get() and "37 of 100 left" in captured.get()


def test_plain_lines_say_nothing_twice() -> None:
    piece = LivePiece(LiveOptions())
    piece.scene.note("the room is live")
    first = piece.news(100.0)
    assert [line.strip() for line in first] == ["+0.0 s  * the room is live", "starting"]
    assert piece.news(100.5) == []
