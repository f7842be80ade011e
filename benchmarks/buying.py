"""`python -m benchmarks.buying`: somebody who has never seen the shop opens a link and buys.

A new phone in Chromium, its main thread four times slower, on a mobile network, opens the room of a
link. Whoever holds it looks for a while, and before each tap. The taps and the seconds until the
page says "Paid" are counted; what a pause of a person takes is given, the rest is the page's.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import structlog
from msgspec import Struct
from playwright.async_api import Locator, Page
from rich.console import Console

from benchmarks import machine, page
from benchmarks.faces import SLOWER, served
from benchmarks.machine import load_now
from benchmarks.records import Series
from benchmarks.tables import markdown, sheet_of
from livesale.rooms.keeper import RoomKeeper
from tests.livesale.api import FAR_MS, Api
from tests.livesale.stage import running
from tests.phones import open_browser, open_phone

LOOK_S = 3.0  # at a page that somebody sees for the first time
TAP_S = 1.5  # to find a button and to touch it
NETWORK = {
    "offline": False,
    "latency": 100,
    "downloadThroughput": 9_000_000 / 8,
    "uploadThroughput": 1_500_000 / 8,
}
TARGET_S = 20.0


class Bought(Struct, frozen=True):
    """Of one person. `shown_s`: until the item could be bought."""

    taps: int
    shown_s: float
    paid_s: float


class Person:
    """Taps what they see, after a pause."""

    def __init__(self) -> None:
        self.taps = 0

    async def tap(self, what: Locator) -> None:
        await what.wait_for()
        await asyncio.sleep(TAP_S)
        await what.click()
        self.taps += 1


async def make_room(api: Api) -> str:
    """A live room that sells one item; its id."""
    by = api.boss
    new = {"title": "Tea tonight", "host": "host", "host_name": "Mei", "starts_ms": FAR_MS}
    room_id = str((await api.post("/v1/rooms", new, by=by)).body["room_id"])
    path = f"/v1/rooms/{room_id}"
    await api.post(f"{path}/start", by=by)
    drop_id = (await api.create_drop(allotted=100))["drop_id"]
    await api.ask("PUT", f"{path}/drops/{drop_id}", by=by)
    thing = {"title": "Tea set", "price_fen": 9_900, "state": "on_sale", "drop_id": drop_id}
    item = await api.post(f"{path}/items", thing, by=by)
    await api.post(f"{path}/items/{item.body['item_id']}/pin", by=by)
    opened = await api.post(f"{path}/drops/{drop_id}/open", {"countdown_s": 0}, by=by)
    if opened.status != 200:
        raise RuntimeError(f"the drop was not opened: {opened.raw!r}")
    return room_id


async def buy(shown: Page, url: str) -> Bought:
    client = await shown.context.new_cdp_session(shown)
    await client.send("Network.enable")
    await client.send("Network.emulateNetworkConditions", NETWORK)
    await client.send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
    person = Person()
    began_s = time.monotonic()
    await shown.goto(url, wait_until="commit")
    offer = shown.locator(".pinned").get_by_role("button", name="Buy now")
    await offer.wait_for()
    shown_s = time.monotonic() - began_s
    await asyncio.sleep(LOOK_S)
    await person.tap(offer)
    sheet = shown.get_by_role("dialog")
    await person.tap(sheet.get_by_role("button", name="Buy now"))
    await person.tap(sheet.get_by_role("button", name="It is yours: pay now"))
    await person.tap(shown.get_by_role("button", name="Pay ¥19.90"))
    await person.tap(shown.locator(".uni-modal__btn_primary"))  # the bank
    await shown.locator("[data-step=sold]").wait_for()
    return Bought(person.taps, shown_s, time.monotonic() - began_s)


async def run(rounds: int, folder: Path) -> list[Bought]:
    found = []
    async with served(folder) as api, running(RoomKeeper(api.deployment)):
        url = f"{api.url}/shop/#/pages/room/index?id={await make_room(api)}"
        async with open_browser() as browser:
            for _ in range(rounds):
                options: Any = {"has_touch": True, "device_scale_factor": 2}
                phone = await open_phone(browser, **options)
                found.append(await buy(phone.page, url))
                await phone.close()
    return found


def table(found: Sequence[Bought], load: Sequence[float]) -> str:
    here = machine.describe()
    taps = found[0].taps
    pauses_s = LOOK_S + taps * TAP_S
    about = (
        f"{here.cores} cores of {here.cpu}, {here.system}; Chromium, main thread {SLOWER} "
        f"times slower, network of 9 Mbit/s and {NETWORK['latency']} ms; {len(found)} phones; "
        f"load average {load[0]:.1f} → {load[1]:.1f}."
    )
    pauses = (
        f"{taps} taps, the last of them at the simulated bank: {taps} pauses of {TAP_S} s and "
        f"a look of {LOOK_S:.0f} s are {pauses_s:.1f} s."
    )
    rows = [
        Series(
            "", "from the link until the item can be bought", "s", [one.shown_s for one in found]
        ),
        Series("", 'until "Paid"', "s", [one.paid_s for one in found]),
        Series("", "of it the page's", "s", [one.paid_s - pauses_s for one in found]),
    ]
    return "\n\n".join([about, pauses, markdown(sheet_of("", rows))])


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.buying", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md")
    parser.add_argument("--strict", action="store_true", help="exit code 1 above twenty seconds")
    options = parser.parse_args(arguments)
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(file=sys.stderr))
    before = load_now()
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(run(options.rounds, Path(folder)))
    text = table(found, [before, load_now()])
    Console(soft_wrap=True).print(text, markup=False)
    if options.write:
        page.put(page.DOCS, {}, [("buying", text)])
    return int(options.strict and max(one.paid_s for one in found) > TARGET_S)


if __name__ == "__main__":
    sys.exit(main())
