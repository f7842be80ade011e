"""`python -m benchmarks.challenge`: how long ALTCHA's work takes without WebCrypto.

The core's own code solves challenges of this service, in Node and in Chromium: at full speed, and
with the processor slowed down as Chromium's devtools do it for phones. Chromium slows the page's
thread only, so the slow figures are of the page, not of a worker. Each solution is checked.
"""

import asyncio
import json
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from playwright.async_api import Page, async_playwright
from rich.console import Console
from rich.table import Table

from livesale.line.challenges import COST, Challenges
from scripts import faces
from scripts.chromium import chromium

DIFFICULTY, ROUNDS = 500, 5
RATES = (1, 4, 6)  # 4 and 6 are what Chromium's devtools offer for phones
PATIENCE_MS = 2_000  # of a buyer at the opening
LIFETIME_MS = 600_000
ENTRY = "core/checks/speed.ts"
NODE = f"""
import {{ time }} from '{(faces.FACES / ENTRY).as_uri()}'
let text = ''
for await (const part of process.stdin) text += part
console.log(JSON.stringify(await time(JSON.parse(text), () => performance.now())))
"""

Timed = Mapping[str, Any]
Solve = Callable[[Mapping[str, Any]], Awaitable[Timed]]


async def measure(solve: Solve) -> float:
    """The median of ms per 1,000 tries."""
    challenges = Challenges(b"a secret of this benchmark, long enough", (), LIFETIME_MS)
    found: list[float] = []
    for _ in range(ROUNDS):
        now_ms = int(time.time() * 1000)
        made = challenges.make(
            drop_id="d", buyer_id="b", serial=now_ms, difficulty=DIFFICULTY, now_ms=now_ms
        )
        timed = await solve(made)
        challenges.check(timed["altcha"], drop_id="d", buyer_id="b", now_ms=0)
        found.append(timed["ms"] * 1_000 / timed["tries"])
    return statistics.median(found)


async def solve_in_node(challenge: Mapping[str, Any]) -> Timed:
    words = faces.node_command("--input-type=module", "-e", NODE)
    process = await asyncio.create_subprocess_exec(
        *words, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate(json.dumps(challenge).encode())
    found: Timed = json.loads(said)
    return found


async def solve_in_page(page: Page, challenge: Mapping[str, Any]) -> Timed:
    found: Timed = await page.evaluate("c => speed.time(c, () => performance.now())", challenge)
    return found


async def measure_all() -> dict[str, float]:
    try:
        program = chromium()
    except FileNotFoundError as missing:
        sys.exit(str(missing))
    faces.install(faces.BUYER)
    found = {"Node": await measure(solve_in_node)}
    with TemporaryDirectory() as folder:
        script = Path(folder) / "speed.js"
        faces.bundle(ENTRY, script, name="speed")
        async with async_playwright() as tools:
            browser = await tools.chromium.launch(executable_path=program, args=["--no-sandbox"])
            page = await browser.new_page()
            await page.add_script_tag(path=script)
            devtools = await page.context.new_cdp_session(page)
            for rate in RATES:
                await devtools.send("Emulation.setCPUThrottlingRate", {"rate": rate})
                name = "Chromium" if rate == 1 else f"Chromium, {rate} times slower"
                found[name] = await measure(lambda made: solve_in_page(page, made))
            await browser.close()
    return found


def main() -> None:
    found = asyncio.run(measure_all())
    if "--json" in sys.argv[1:]:
        print(json.dumps(found))
        return
    table = Table(title=f"ALTCHA without WebCrypto: a try is {COST} rounds of PBKDF2-SHA-256")
    table.add_column("where")
    table.add_column("ms per 1,000 tries", justify="right")
    table.add_column(f"difficulty for {PATIENCE_MS / 1000:.0f} s", justify="right")
    for name, each in found.items():
        table.add_row(name, f"{each:,.0f}", f"{PATIENCE_MS / each * 1_000:,.0f}")
    Console().print(table)


if __name__ == "__main__":
    main()
