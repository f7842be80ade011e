"""`python -m benchmarks.faces`: a crowded room on a phone that is four times slower than this core.

A page of the built H5 face shows a room in which 200 comments come in ten seconds. Its main thread
is slowed down by Chromium (`Emulation.setCPUThrottlingRate`). A finger scrolls the comments up and
down meanwhile. Chromium's trace says which frames were shown. Before that
the same finger scrolls while nobody speaks: what this machine can show at all.
"""

import argparse
import asyncio
import gzip
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from itertools import cycle
from pathlib import Path
from statistics import median

import structlog
from msgspec import Struct
from playwright.async_api import CDPSession, FloatRect, Page
from rich.console import Console

from benchmarks import machine, page
from benchmarks.machine import load_now
from benchmarks.records import Series
from benchmarks.tables import markdown, sheet_of
from livesale.app import build_app
from stock.connection import connect
from tests.livesale.api import FAR_MS, Api
from tests.livesale.stage import open_stage
from tests.phones import open_browser, open_phone
from tests.servers import Valkey

COMMENTS, SECONDS, SLOWER, SPEAKERS = 200, 10.0, 4, 100
CATEGORIES = ["benchmark", "cc", "devtools.timeline", "disabled-by-default-devtools.timeline.frame"]
QUIET_S, TOUCHES_PER_S, REST_S = 5.0, 120, 0.1
SPEED_PX_S, EDGE_PX, SLOP_PX = 600, 8, 16
TARGET_FPS, MOST_FLUSHES, ROWS = 58.0, 5, 60

# How often the list is drawn. It asks for no frame of its own: that would be one more to draw.
WATCH = """() => {
  const found = { flushes: [], rows: 0, tasks: [] }
  window.watched = found
  const list = document.querySelector('.comments .rows')
  new MutationObserver(() => {
    found.flushes.push(performance.now())
    found.rows = Math.max(found.rows, list.querySelectorAll('.row').length)
  }).observe(list, { childList: true })
  new PerformanceObserver((entries) => {
    for (const entry of entries.getEntries()) found.tasks.push(entry.duration)
  }).observe({ type: 'longtask' })
}"""


class Frames(Struct, frozen=True):
    """Of a scroll, while the finger moves: each frame has something new to show."""

    shown: int
    moving_s: float

    @property
    def per_s(self) -> float:
        return self.shown / self.moving_s


class Figures(Struct, frozen=True):
    """Of one round."""

    frames: Frames
    quiet: Frames  # while nobody speaks
    longest_task_ms: float
    flushes: int  # most within one second
    rows: int


async def say(api: Api, path: str, number: int, text: str) -> None:
    """One comment, by one of a few: each of them may say only so much."""
    by = api.buyer(f"{text.split()[0]}-{number % SPEAKERS}")
    said = await api.post(f"{path}/comments", {"text": f"{text}, {number}"}, by=by)
    if said.status != 201:
        raise RuntimeError(f"a comment was refused: {said.raw!r}")


async def crowd(api: Api, path: str) -> None:
    """200 comments, evenly in ten seconds."""
    began_s = time.monotonic()
    for number in range(COMMENTS):
        await asyncio.sleep(max(0.0, began_s + number * SECONDS / COMMENTS - time.monotonic()))
        await say(api, path, number, "so much tea tonight")


Stroke = tuple[float, float]  # from when to when, by the monotonic clock, which traces have too


async def scroll(client: CDPSession, place: FloatRect, seconds: float) -> list[Stroke]:
    """A finger goes up and down the comments, and rests before it leaves them, so that they do not
    fly on. Chromium without a screen scrolls for a touch, not for `synthesizeScrollGesture`."""
    x, high = place["x"] + place["width"] / 2, place["y"] + EDGE_PX
    low = place["y"] + place["height"] - EDGE_PX
    until_s = time.monotonic() + seconds
    strokes: list[Stroke] = []
    # The third one brings the list to its end, where it follows. It has nothing to move at times.
    for begin, sign, counts in cycle([(high, 1, True), (low, -1, True), (low, -1, False)]):
        if time.monotonic() > until_s:
            return strokes
        await touch(client, "touchStart", (x, begin))
        began_s = time.monotonic()
        async with asyncio.TaskGroup() as moves:  # whether the page answers or not
            while (gone := SPEED_PX_S * (time.monotonic() - began_s)) < low - high:
                moves.create_task(touch(client, "touchMove", (x, begin + sign * gone)))
                await asyncio.sleep(1 / TOUCHES_PER_S)
            if counts:
                strokes.append((began_s + SLOP_PX / SPEED_PX_S, time.monotonic()))
        await asyncio.sleep(REST_S)
        await touch(client, "touchEnd")
    raise AssertionError("a cycle has no end")


async def touch(client: CDPSession, kind: str, *points: tuple[float, float]) -> None:
    at = [{"x": x, "y": y} for x, y in points]
    await client.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": at})


async def measure(api: Api, shown: Page, path: str) -> tuple[Figures, bytes]:
    """One round, and its trace."""
    await shown.evaluate(WATCH)
    client = await shown.context.new_cdp_session(shown)
    await client.send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
    place = await shown.locator(".comments").first.bounding_box()
    assert place is not None  # noqa: S101  the room is on the screen
    quiet, _ = await traced(shown, scroll(client, place, QUIET_S))
    async with asyncio.TaskGroup() as crowds:
        crowds.create_task(crowd(api, path))
        frames, trace = await traced(shown, scroll(client, place, SECONDS))
    await client.send("Emulation.setCPUThrottlingRate", {"rate": 1})
    watched = await shown.evaluate("window.watched")
    flushes = watched["flushes"]
    figures = Figures(
        frames=frames,
        quiet=quiet,
        longest_task_ms=max(watched["tasks"], default=0.0),
        flushes=max(
            (sum(1 for at in flushes if one <= at < one + 1_000) for one in flushes), default=0
        ),
        rows=watched["rows"],
    )
    return figures, trace


async def traced(shown: Page, finger: Awaitable[list[Stroke]]) -> tuple[Frames, bytes]:
    """The frames of a scroll, and Chromium's trace of it."""
    browser = shown.context.browser
    assert browser is not None  # noqa: S101  it is no persistent context
    await browser.start_tracing(page=shown, categories=CATEGORIES)
    strokes = await finger
    trace = await browser.stop_tracing()
    return frames_of(trace, strokes), trace


def frames_of(trace: bytes, strokes: Sequence[Stroke]) -> Frames:
    """Each frame once: a part of it that comes late is a report of its own."""
    shown: set[tuple[int, ...]] = set()
    for event in json.loads(trace)["traceEvents"]:
        report = event.get("args", {}).get("frame_reporter")
        if report is None or not report["state"].startswith("STATE_PRESENTED"):
            continue
        at_s = event["ts"] / 1e6
        if any(begin_s <= at_s < end_s for begin_s, end_s in strokes):
            shown.add((event["pid"], report["layer_tree_host_id"], report["frame_sequence"]))
    if not shown:
        raise RuntimeError("the trace has no frames of a scroll")
    return Frames(len(shown), sum(end_s - begin_s for begin_s, end_s in strokes))


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[Api]:
    """A service on empty stores of its own."""
    redis_server = Valkey()
    redis_server.start()
    try:
        redis = connect(redis_server.url, connections=16)
        sql_url = f"sqlite:///{folder / 'livesale.sqlite3'}"
        async with open_stage(redis, redis_server.url, sql_url, folder) as stage:
            api = Api(build_app(stage), stage)
            await api.start()
            yield api
            await api.stop()
        await redis.aclose()
    finally:
        redis_server.remove()


async def run(rounds: int, folder: Path, trace: Path | None) -> list[Figures]:
    async with served(folder) as api:
        return [await one_round(api, trace) for _ in range(rounds)]


async def one_round(api: Api, trace: Path | None) -> Figures:
    new = {"title": "Tea tonight", "host": "host", "starts_ms": FAR_MS}
    made = await api.post("/v1/rooms", new, by=api.boss)
    path = f"/v1/rooms/{made.body['room_id']}"
    await api.post(f"{path}/start", by=api.boss)
    async with open_browser() as browser:
        phone = await open_phone(browser, has_touch=True, device_scale_factor=2)
        await phone.page.goto(f"{api.url}/shop/#/pages/room/index?id={made.body['room_id']}")
        for number in range(ROWS):
            await asyncio.gather(say(api, path, number, "before"), asyncio.sleep(0.06))
        await phone.page.get_by_text(f"before, {ROWS - 1}").wait_for()
        figures, raw = await measure(api, phone.page, path)
    if trace is not None:
        await asyncio.to_thread(trace.write_bytes, gzip.compress(raw))
    return figures


def table(found: Sequence[Figures], load: Sequence[float]) -> str:
    here = machine.describe()
    about = (
        f"{here.cores} cores of {here.cpu}, {here.system}; Chromium without a GPU, main thread "
        f"{SLOWER} times slower; {COMMENTS} comments in {SECONDS:.0f} s, {len(found)} rounds; "
        f"load average {load[0]:.1f} → {load[1]:.1f}."
    )
    per_s = "a second"
    rows = [
        Series("", "frames while the finger moves", per_s, [one.frames.per_s for one in found]),
        Series("", "the same, while nobody speaks", per_s, [one.quiet.per_s for one in found]),
        Series("", "longest task", "ms", [one.longest_task_ms for one in found]),
        Series("", "draws of the list, most in a second", "", [one.flushes for one in found]),
        Series("", "rows, at most", "", [one.rows for one in found]),
    ]
    return f"{about}\n\n{markdown(sheet_of('', rows))}"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faces", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--trace", type=Path, help="keep the last trace here, for chrome://tracing")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md")
    parser.add_argument("--strict", action="store_true", help="exit code 1 if a target is not met")
    options = parser.parse_args(arguments)
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(file=sys.stderr))
    before = load_now()
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(run(options.rounds, Path(folder), options.trace))
    text = table(found, [before, load_now()])
    Console(soft_wrap=True).print(text, markup=False)
    if options.write:
        page.put(page.DOCS, {}, [("faces", text)])
    is_met = (
        median(one.frames.per_s for one in found) >= TARGET_FPS
        and max(one.flushes for one in found) <= MOST_FLUSHES
        and max(one.rows for one in found) <= ROWS
    )
    return int(options.strict and not is_met)


if __name__ == "__main__":
    sys.exit(main())
