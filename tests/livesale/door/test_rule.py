"""When the door holds, and for how long."""

from livesale.door.service import LAST_MS, DoorLine, decide
from livesale.settings import load_settings
from stock.line.model import LineState

SETTINGS = load_settings()
NOW_MS = 1_800_000_000_000
AROUND_MS = SETTINGS.door.around_s * 1_000
SPREAD_MS = SETTINGS.door.spread_s * 1_000


def line(opens_in_ms: int) -> DoorLine:
    state = LineState.GATHERING if opens_in_ms > 0 else LineState.OPEN
    return DoorLine("d1", "Tea", state, NOW_MS + opens_in_ms, 5, 0, 100, 0)


def test_nobody_is_held_without_a_line_or_far_from_its_opening() -> None:
    for lines in ([], [line(AROUND_MS + 1)], [line(-AROUND_MS - 1)]):
        door = decide(lines, NOW_MS, SETTINGS)
        assert (door.holds, door.spread_ms, door.lines) == (False, 0, [])


def test_moments_are_spread_and_the_early_are_in_before_the_opening() -> None:
    for opens_in_ms, spread_ms in (
        (AROUND_MS, SPREAD_MS),
        (SPREAD_MS + LAST_MS, SPREAD_MS),
        (20_000, 20_000 - LAST_MS),
        (LAST_MS - 1, 0),
        (0, SPREAD_MS),
        (-AROUND_MS, SPREAD_MS),
    ):
        door = decide([line(opens_in_ms)], NOW_MS, SETTINGS)
        assert (door.holds, door.spread_ms) == (True, spread_ms), opens_in_ms


def test_the_next_opening_decides_among_several() -> None:
    door = decide([line(-5_000), line(400_000), line(15_000)], NOW_MS, SETTINGS)
    assert door.spread_ms == 10_000
    assert len(door.lines) == 3
