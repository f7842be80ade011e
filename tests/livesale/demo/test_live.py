"""The show's view fits, its checks find what is wrong, and its screen is what the room says."""

import json
from typing import Any

import msgspec
import pytest
from rich.console import Console

from livesale.demo.options import DemoOptions
from livesale.demo.scene import Room, Scene
from livesale.demo.screen import Screen
from livesale.demo.tell import Teller
from livesale.demo.verdict import Draw, Storm, draw_finding, room_findings
from livesale.demo.view import LEAST_HEIGHT, LEAST_WIDTH, panel
from livesale.draws import lots as draw
from loadtests.checks import OrderRow
from loadtests.seat import Heard
from stock.books import Books

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


COMMITMENT = draw.commitment_of(SEED)
SHOWN = Draw(record(), {COMMITMENT}, {"e1", "e2"}, 1)
PRIZES = [OrderRow("p1", "bob", 1, 0, "sold")]


def show() -> tuple[Scene, Room]:
    """A show whose screens say, as the books do, that one unit is left."""
    scene = Scene(DemoOptions(live=True, people=2, stock=3), stand=Books(3, 1, 0, 2, 0))
    assert scene.room is not None
    scene.room.remaining = 1
    return scene, scene.room


def test_a_show_that_went_well_has_nothing_to_say() -> None:
    found = [*room_findings(*show(), Storm(2, 2, 120.0)), draw_finding(SHOWN, PRIZES)]
    assert [finding.title for finding in found if not finding.ok] == []


def test_who_does_not_come_back_and_a_wrong_screen_are_found() -> None:
    scene, room = show()
    room.remaining = 2
    assert [finding.wrong for finding in room_findings(scene, room, Storm(2, 1, 30_000.0))] == [
        ["1 are not"],
        ["2 on the screens, 1 in Redis"],
    ]


@pytest.mark.parametrize(
    ("drawn", "prizes"),
    [
        (SHOWN, []),
        (Draw(record(), {"another"}, set(), 1), PRIZES),
        (Draw(record(winners=["e9"]), set(), set(), 1), PRIZES),
        (Draw(b"{}", set(), set(), 1), PRIZES),
        (Draw(record(), {COMMITMENT}, {"e7"}, 1), PRIZES),
        (Draw(record(), {COMMITMENT}, set(), 0), []),
    ],
)
def test_a_draw_that_is_not_right_is_found(drawn: Draw, prizes: list[OrderRow]) -> None:
    assert not draw_finding(drawn, prizes).ok


def hear(screen: Screen, offset: int, kind: str, **members: Any) -> None:
    event = {"offset": offset, "type": kind, "at_ms": 1_000} | members
    raw = json.dumps(event).encode()
    screen.hear(msgspec.json.decode(raw, type=Heard), raw)


def test_the_screen_is_what_the_room_says_whoever_hears_it_first() -> None:
    scene, room = show()
    screen = Screen(scene, room, "d1", {"i1": "Sneaker"})
    for _ in range(2):  # two viewers
        hear(screen, 1, "item.pinned", item={"item_id": "i1"})
        drop = {"drop_id": "d1", "title": "Sneaker", "remaining": 9, "allotted": 9}
        hear(screen, 2, "drop.opening", drop=drop | {"phase": "opening", "opens_ms": 4_000})
        hear(screen, 3, "stock", stock={"drop_id": "d1", "remaining": 4, "allotted": 9})
        hear(screen, 4, "stock", stock={"drop_id": "another", "remaining": 0, "allotted": 1})
        hear(screen, 5, "people", people={"online": 2, "peak": 3, "likes": 7})
        hear(screen, 6, "comment", comment={"person_id": "ann", "text": "hi"})
    assert (room.pinned, room.drop, room.phase) == ("Sneaker", "Sneaker", "opening")
    assert (room.remaining, room.allotted, room.opens_s) == (4, 9, 3.0)
    assert (room.online, room.peak, room.likes, room.events_told) == (2, 3, 7, 12)
    assert list(room.comments) == [("ann", "hi")]
    assert [what for _, what in scene.events] == [
        "the host explains: Sneaker",
        "three, two, one …",
    ]


@pytest.mark.parametrize("height", [LEAST_HEIGHT, 22, 24, 26, 40])
@pytest.mark.parametrize("width", [LEAST_WIDTH, 80, 200])
def test_the_panel_of_a_show_fits_the_terminal(width: int, height: int) -> None:
    scene, room = show()
    room.state, room.title, room.phase = "live", "Sneakers tonight", "open"
    room.allotted, room.remaining, room.connected = 100, 37, 180
    room.bag, room.storm = "say 我要福袋: 5 prizes", "300 of 300 back in 0.2 s"
    room.late_ms.extend((1.0, 40.0))
    for number in range(9):
        room.comments.append((f"viewer-{number}", "红色还有吗" * 20))
        scene.tell("something happened " * 9)
    console = Console(width=width, height=height, force_terminal=False)
    with console.capture() as captured:
        console.print(panel(scene, width, height))
    lines = captured.get().rstrip("\n").split("\n")
    assert len(lines) < height
    assert "LIVE" in captured.get() and "37 of 100 left" in captured.get()
    assert ("红色还有吗" in captured.get()) == (height > LEAST_HEIGHT + 5)


def test_a_show_in_plain_lines() -> None:
    scene, room = show()
    scene.begun_ms, room.connected, room.events_told = 0.0, 2, 1
    scene.tell("the room is live")
    teller = Teller(scene)
    event, phase, line = teller.news(100.0)
    assert (event.strip(), phase.strip()) == ("+0.0 s  * the room is live", "starting")
    assert "2 connected | sold     2  held     0  left     1 | 0 likes | 1 event told" in line
    assert teller.news(100.5) == []
