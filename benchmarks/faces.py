"""`python -m benchmarks.faces`: a crowded room on a phone that is four times slower than this core.

A page of the built H5 face shows a room in which 200 comments come in ten seconds. Its main thread
is slowed down by Chromium (`Emulation.setCPUThrottlingRate`). A finger scrolls the comments up and
down meanwhile. Chromium's trace says which frames were shown, and which were dropped.
"""

import argparse
import asyncio
import gzip
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median
from typing import Any

import structlog
from msgspec import Struct
from playwright.async_api import CDPSession, FloatRect, Page
from rich.console import Console

from benchmarks import machine, page
from benchmarks.machine import load_now
from livesale.app import build_app
from stock.connection import connect
from tests.livesale.api import FAR_MS, Api
from tests.livesale.stage import open_stage
from tests.phones import open_browser, open_phone
from tests.servers import Valkey

COMMENTS, SECONDS, SLOWER, SPEAKERS = 200, 10.0, 4, 100
CATEGORIES = ["benchmark", "cc", "devtools.timeline", "disabled-by-default-devtools.timeline.frame"]
TARGET_FPS, MOST_FLUSHES, ROWS = 58.0, 5, 60

# Frames of the main thread, and how often the list is drawn.
WATCH = """() => {
  const found = { gaps: [], flushes: [], rows: 0, tasks: [] }
  window.watched = found
  let last = performance.now()
  const frame = (now) => { found.gaps.push(now - last); last = now; requestAnimationFrame(frame) }
  requestAnimationFrame(frame)
  const list = document.querySelector('.comments .rows')
  new MutationObserver(() => {
    found.flushes.push(performance.now())
    found.rows = Math.max(found.rows, list.querySelectorAll('.row').length)
  }).observe(list, { childList: true })
  new PerformanceObserver((entries) => {
    for (const entry of entries.getEntries()) found.tasks.push(entry.duration)
  }).observe({ type: 'longtask' })
}"""


class Figures(Struct, frozen=True):
    """Of one round. `fps` is of frames that the scroll needed: shown ones in a second."""

    fps: float
    dropped: float  # share of the frames that the scroll needed
    gap_p95_ms: float  # between two frames of the main thread
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


async def scroll(client: CDPSession, place: FloatRect, until_s: float) -> None:
    """A finger goes up and down the comments."""
    at = {"x": place["x"] + place["width"] / 2, "y": place["y"] + place["height"] / 2}
    distance = place["height"] * 3
    while time.monotonic() < until_s:
        for sign in (1, -1):
            gesture = {**at, "yDistance": sign * distance, "speed": 900}
            touch = {"gestureSourceType": "touch", "preventFling": True}
            await client.send("Input.synthesizeScrollGesture", gesture | touch)


async def measure(api: Api, shown: Page, path: str) -> tuple[Figures, bytes]:
    """One round, and its trace."""
    await shown.evaluate(WATCH)
    client = await shown.context.new_cdp_session(shown)
    await client.send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
    place = await shown.locator(".comments").first.bounding_box()
    assert place is not None  # noqa: S101  the room is on the screen
    browser = shown.context.browser
    assert browser is not None  # noqa: S101  it is no persistent context
    await browser.start_tracing(page=shown, categories=CATEGORIES)
    ends_s = time.monotonic() + SECONDS
    await asyncio.gather(crowd(api, path), scroll(client, place, ends_s))
    trace = await browser.stop_tracing()
    await client.send("Emulation.setCPUThrottlingRate", {"rate": 1})
    watched = await shown.evaluate("window.watched")
    return figures_of(json.loads(trace)["traceEvents"], watched), trace


def figures_of(events: Sequence[dict[str, Any]], watched: dict[str, Any]) -> Figures:
    """Frames that affect how smooth it looks: shown in time, or dropped."""
    shown = dropped = 0
    times = []
    for event in events:
        report = event.get("args", {}).get("chrome_frame_reporter")
        if event["name"] != "PipelineReporter" or report is None:
            continue
        state = report.get("state", "")
        if report.get("scroll_state") in (None, "SCROLL_NONE"):
            continue
        if state == "STATE_DROPPED" and report.get("affects_smoothness", True):
            dropped += 1
        elif state.startswith("STATE_PRESENTED"):
            shown += 1
        else:
            continue
        times.append(event["ts"])
    needed = shown + dropped
    if not needed:
        raise RuntimeError("the trace has no frames of a scroll")
    flushes = watched["flushes"]
    gaps = sorted(watched["gaps"])
    return Figures(
        fps=60 * shown / needed,
        dropped=dropped / needed,
        gap_p95_ms=gaps[int(0.95 * (len(gaps) - 1))],
        longest_task_ms=max(watched["tasks"], default=0.0),
        flushes=max(sum(1 for at in flushes if one <= at < one + 1_000) for one in flushes),
        rows=watched["rows"],
    )


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

    def row(name: str, values: Sequence[float], form: str, unit: str) -> str:
        shown = (min(values), median(values), max(values))
        return f"| {name} | {' | '.join(format(value, form) for value in shown)} | {unit} |"

    return "\n".join(
        [
            f"{here.cores} cores of {here.cpu}, {here.system}; Chromium without a GPU, main thread "
            f"{SLOWER} times slower; {COMMENTS} comments in {SECONDS:.0f} s, {len(found)} rounds; "
            f"load average {load[0]:.1f} → {load[1]:.1f}.",
            "",
            "|  | min | median | max | unit |",
            "|---|--:|--:|--:|--:|",
            row(
                "frames shown while it scrolls", [one.fps for one in found], ".1f", "of 60 a second"
            ),
            row("frames dropped", [100 * one.dropped for one in found], ".2f", "%"),
            row(
                "between two frames of the main thread, p95",
                [one.gap_p95_ms for one in found],
                ".1f",
                "ms",
            ),
            row("longest task", [one.longest_task_ms for one in found], ".0f", "ms"),
            row("draws of the list, most in a second", [one.flushes for one in found], ".0f", ""),
            row("rows, at most", [one.rows for one in found], ".0f", ""),
        ]
    )


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
    Console().print(text, markup=False)
    if options.write:
        page.put(page.DOCS, {}, [("faces", text)])
    is_met = (
        median(one.fps for one in found) >= TARGET_FPS
        and max(one.flushes for one in found) <= MOST_FLUSHES
        and max(one.rows for one in found) <= ROWS
    )
    return int(options.strict and not is_met)


if __name__ == "__main__":
    sys.exit(main())
