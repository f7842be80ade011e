"""`make screenshots`: takes every screen of both faces on a seeded shop, into docs/screens.

It starts `livesale up` on a folder of its own, waits until the shop is seeded and its room has been
talked in, and opens each screen of `scripts/screens.json` in Chromium.
"""

import argparse
import contextlib
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
from PIL import Image
from playwright.sync_api import Browser, Page, StorageState, sync_playwright

from scripts.chromium import chromium
from scripts.crowd_for_screens import PEOPLE, add_crowds, add_lines

ROOT = Path(__file__).parent.parent
SCREENS = Path(__file__).with_name("screens.json")
TARGET = ROOT / "docs/screens"
SEEDED = "the shop is seeded"
START_S = 600.0  # on a busy machine; half a minute on a quiet one
TALK_S = 50.0  # of the room's first round: comments, and a drop that sells out
SETTLE_MS = 900
STEP_MS = 8_000
BUYER = "ann"  # has the orders
LANGUAGES = {"zh": "zh-CN", "en": "en-GB"}
# The width and height of a window, and how many pixels a point has.
WINDOWS = {"phone": (390, 844, 2.0), "desk": (1280, 800, 1.0)}
QUALITY = 78
# What the titles of goods have, by their names in paths.
WORDS = {
    "tea": "龙井",
    "sound": "降噪",
    "tote": "帆布",
    "candle": "蜡烛",
    "keyboard": "键盘",
    "lamp": "台灯",
    "speaker": "音箱",
    "teapot": "茶壶",
    "mug": "马克杯",
}
# Goods that get a line here, by their code.
LINED = {"lamp_line": "LS-LAMP", "mug_line": "LS-MUG-SAND", "bottle_line": "LS-BOTTLE"}
HOURS = [{"day": day, "opens_min": 0, "closes_min": 1_440} for day in range(1, 8)]
STORE = {
    "title": "南山店 Nanshan",
    "address": "深圳市南山区科技园路 1 号",
    "phone": "0755 2600 0000",
    "lat": 22.54,
    "lng": 113.95,
    "hours": HOURS,
}
ELSEWHERE = {"title": "福田店 Futian", "address": "深圳市福田区福华路 88 号", "lng": 114.05}
HOME = {
    "name": "王小明",
    "phone": "13800138000",
    "province": "广东省",
    "city": "深圳市",
    "district": "南山区",
    "detail": "科技园路 1 号 8 栋 1201",
}


class Screen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One screen. `path` and `steps` may name ids of the shop, such as `{room}`.

    A step is `click CSS`, `text TEXT` (click it), `fill CSS = TEXT`, `see CSS`, `wait MS` or
    `scroll PX`. A text may be `中文|English`.
    """

    name: str
    face: str
    about: str
    path: str
    steps: list[str] = []
    window: str = ""
    needs: str = ""  # another address that the face must have
    dark: bool = False  # also in the dark
    once: bool = False  # in English only


class Up:
    """`livesale up` on a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = self.link = ""
        self._log = folder / "up.log"

    def __enter__(self) -> "Up":
        environment = {key: value for key, value in os.environ.items() if "LIVESALE" not in key}
        command = [sys.executable, "-m", "livesale", "up", "--port", "0", "--workers", "1"]
        with self._log.open("w") as errors:
            self._process = subprocess.Popen(  # noqa: S603  ours
                [*command, "--data-dir", str(self.folder / "var")],
                env=environment,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        assert self._process.stdout is not None  # noqa: S101  asked for above
        for line in self._process.stdout:
            if found := re.search(r"is up at (http://[0-9.:]+)", line):
                self.url = found[1]
            if found := re.search(r"(http://\S+/console#login=\S+)", line):
                self.link = found[1]
            if "Ctrl-C" in line:
                return self
        raise SystemExit(f"livesale did not come up:\n{self._log.read_text()[-3000:]}")

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(timeout=60)

    def wait_until_seeded(self) -> None:
        ends = time.monotonic() + START_S
        while SEEDED not in self._log.read_text():
            if time.monotonic() > ends:
                raise SystemExit(f"it was not seeded:\n{self._log.read_text()[-3000:]}")
            time.sleep(0.2)

    def get(self, path: str, token: str = "") -> Any:
        return self.ask("GET", path, None, token)

    def ask(self, verb: str, path: str, body: Any, token: str = "") -> Any:
        headers = {"Content-Type": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        raw = None if body is None else json.dumps(body).encode()
        asked = urllib.request.Request(  # noqa: S310  ours
            f"{self.url}{path}", data=raw, headers=headers, method=verb
        )
        with urllib.request.urlopen(asked) as answer:  # noqa: S310
            return json.load(answer)


def ids_of(up: Up) -> dict[str, str]:
    """What paths may name: `{room}`, `{drop}` of the room, `{product}`, `{order}` of the buyer …"""
    from livesale.settings import load_settings
    from livesale.tokens.signing import TokenSigner

    signer = TokenSigner.from_settings(load_settings())
    operator, buyer = signer.operator("screens"), signer.buyer(f"dev-{BUYER}")
    room = up.get("/v1/rooms?state=live")["rooms"][0]
    coming = up.get("/v1/rooms?state=scheduled")["rooms"][0]
    drops = up.get("/v1/admin/drops?limit=100", operator)["drops"]
    of_room = [drop for drop in drops if drop["room_id"] == room["room_id"]]
    products = up.get("/v1/products?limit=100")["products"]
    orders = up.get("/v1/me/orders?limit=50", buyer)["orders"]
    found = {"room": room["room_id"], "coming": coming["room_id"]}
    skus = up.get("/v1/admin/skus?limit=100", operator)["skus"]
    for name, words in WORDS.items():
        found |= {f"{name}_sku": sku["sku_id"] for sku in skus if words in sku["title"]}
        found |= {f"{name}_drop": drop["drop_id"] for drop in drops if words in drop["title"]}
        found |= {f"{name}_product": one["product_id"] for one in products if words in one["title"]}
    found |= {"drop": found["tea_drop"], "product": found["tea_product"]}
    found["show"] = of_room[0]["campaign_id"]
    found["fair"] = next(one for one in drops if not one["room_id"])["campaign_id"]
    for order in orders:
        stage = order.get("stage") or order["status"]
        found.setdefault(f"order_{stage}", order["order_id"])
    found["order"] = orders[0]["order_id"]

    def sku_of(code: str) -> str:
        return next(str(sku["sku_id"]) for sku in skus if sku["code"] == code)

    lined = {name: sku_of(code) for name, code in LINED.items()}
    found |= add_lines(up.ask, found["fair"], lined, operator, signer.buyer, f"dev-{BUYER}")
    found |= add_store(up, orders, operator, buyer)
    crowd = [signer.buyer(f"crowd-{number}") for number in range(PEOPLE)]
    goods = {"lined": found["keyboard_sku"], "drawn": found["sound_sku"]}
    return found | add_crowds(up.ask, goods, operator, crowd)


def add_store(up: Up, orders: Sequence[Any], operator: str, buyer: str) -> dict[str, str]:
    """What the seeds lack: a store, an order that waits in it, an address; and a case that is open.
    The ids of order and case."""
    up.ask("PUT", "/v1/admin/pickup-stores/nanshan", STORE, operator)
    up.ask("PUT", "/v1/admin/pickup-stores/futian", STORE | ELSEWHERE, operator)
    up.ask("POST", "/v1/addresses", HOME, buyer)
    found: dict[str, str] = {}
    for order in orders:
        path = f"/v1/orders/{order['order_id']}"
        cases = up.get(path, buyer)["cases"] if order["status"] == "sold" else []
        for case in cases:
            if case["state"] == "asked" or "case" not in found:
                found["case"] = case["case_id"]
        if order.get("stage") == "waiting" and not cases:
            up.ask("PUT", f"{path}/pickup", {"store_id": "nanshan"}, buyer)
            found["stored"] = order["order_id"]
        elif order.get("stage") == "received" and not cases:
            found["caseless"] = order["order_id"]
    return found


def pages_of_faces() -> list[str]:
    """The addresses that the faces have: regular expressions."""
    buyer = json.loads((ROOT / "faces/buyer/src/pages.json").read_text())
    router = (ROOT / "faces/console/src/router.ts").read_text()
    paths = re.findall(r"path: '(/[^']*)'", router)
    return [
        r"/shop",
        *(rf"/shop#/{page['path']}(\?.*)?" for page in buyer["pages"]),
        *(
            "/console#" + re.sub(r":\w+(\([^)]*\))?", "[^/]+", path)
            for path in paths
            if ":rest" not in path
        ),
    ]


def settle(page: Page) -> None:
    with contextlib.suppress(Exception):  # the room never stops asking
        page.wait_for_load_state("networkidle", timeout=2_000)
    page.evaluate("document.fonts.ready")
    page.wait_for_timeout(SETTLE_MS)


def play(page: Page, step: str, ids: dict[str, str], language: str) -> None:
    """Take one step. Raises playwright's errors."""
    verb, _, rest = step.partition(" ")
    rest = rest.format_map(ids) if "{" in rest else rest
    where, _, rest = rest.partition(" = ") if verb == "fill" else ("", "", rest)
    rest = rest.split("|")[0 if language == "zh" else -1]
    match verb:
        case "click":
            page.locator(rest).first.click(timeout=STEP_MS)
        case "text":
            page.get_by_text(rest).first.click(timeout=STEP_MS)
        case "fill":
            page.locator(where).first.fill(rest, timeout=STEP_MS)
        case "see":
            page.locator(rest).first.wait_for(timeout=STEP_MS)
        case "wait":
            page.wait_for_timeout(float(rest))
        case "scroll":
            page.mouse.wheel(0, float(rest))
        case _:
            raise SystemExit(f"{step!r} is no step")


def save(page: Page, path: Path) -> int:
    raw = page.screenshot(animations="disabled")
    picture = Image.open(io.BytesIO(raw)).convert("RGB")
    target = io.BytesIO()
    picture.save(target, "WEBP", quality=QUALITY, method=6)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(target.getvalue())
    return len(target.getvalue())


def views_of(screen: Screen) -> Iterator[tuple[str, bool, str]]:
    """Language, whether dark, and the end of the name."""
    for language in ("en",) if screen.once else LANGUAGES:
        yield language, False, language
    if screen.dark:
        yield "en", True, "en-dark"


class Camera:
    """Opens screens in one browser, logged in as the buyer and as an operator."""

    def __init__(self, browser: Browser, up: Up, ids: dict[str, str]) -> None:
        self._browser = browser
        self._up = up
        self._ids = ids
        self._kept: StorageState | None = None  # cookies of the operator
        self.problems: list[str] = []

    def log_in(self) -> None:
        context = self._browser.new_context()
        page = context.new_page()
        page.goto(self._up.link)
        page.wait_for_function("!location.hash.includes('login')")
        settle(page)
        self._kept = context.storage_state()
        context.close()

    def take(self, screen: Screen, target: Path) -> int:
        size = 0
        for language, dark, end in views_of(screen):
            size += self._take(
                screen, language, dark, target / screen.face / f"{screen.name}-{end}.webp"
            )
        return size

    def _take(self, screen: Screen, language: str, dark: bool, path: Path) -> int:
        console = screen.face == "console"
        width, height, scale = WINDOWS[screen.window or ("desk" if console else "phone")]
        context = self._browser.new_context(
            viewport={"width": width, "height": height},
            device_scale_factor=scale,
            locale=LANGUAGES[language],
            timezone_id="Asia/Shanghai",
            color_scheme="dark" if dark else "light",
            has_touch=width < 500,
            storage_state=self._kept if console else None,
        )
        name = json.dumps({"type": "string", "data": BUYER})
        if not console:
            context.add_init_script(f"localStorage.setItem('dev-name', {json.dumps(name)})")
        page = context.new_page()
        page.on("pageerror", lambda error: self.problems.append(f"{path.stem}: {error}"))
        page.goto(f"{self._up.url}{screen.path.format_map(self._ids)}")
        settle(page)
        try:
            for step in screen.steps:
                play(page, step, self._ids, language)
                page.wait_for_timeout(300)
        except Exception as fault:
            self.problems.append(f"{path.stem}: {str(fault).splitlines()[0]}")
        settle(page)
        size = save(page, path)
        context.close()
        return size


def page_of(screens: Sequence[Screen], target: Path) -> str:
    """docs/screens.md: every picture that is there, under its face."""
    lines = [
        "# Screens",
        "",
        "Every screen of both faces, on [the seeded shop](quickstart.md#the-seeded-shop). "
        "`make screenshots` takes them and writes this page; "
        "[scripts/screens.json](../scripts/screens.json) says which, and how to get there.",
    ]
    for face, title, width in (
        ("shop", "The shop, on a phone", 260),
        ("console", "The console", 420),
    ):
        lines += ["", f"## {title}", ""]
        for screen in screens:
            if screen.face != face:
                continue
            narrow = 260 if screen.window == "phone" else width
            shown = " ".join(
                f'<img src="screens/{face}/{screen.name}-{end}.webp" width="{narrow}" '
                f'alt="{screen.about}">'
                for _, _, end in views_of(screen)
                if (target / face / f"{screen.name}-{end}.webp").is_file()
            )
            if not shown:
                continue
            lines += [f"**{screen.about}**", "", shown, ""]
        lines.pop()
    return "\n".join(lines) + "\n"


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--only", default="", help="names that contain this; `shop/` takes that face anew"
    )
    parser.add_argument("--target", type=Path, default=TARGET)
    parser.add_argument("--dark", action="store_true", help="all of them in the dark, too")
    given = parser.parse_args(words)
    there = pages_of_faces()
    known = [
        screen
        for screen in msgspec.json.decode(SCREENS.read_bytes(), type=list[Screen])
        if all(
            any(re.fullmatch(path, wanted) for path in there)
            for wanted in (screen.path, screen.needs or screen.path)
        )
    ]
    screens = [
        msgspec.structs.replace(screen, dark=screen.dark or given.dark)
        for screen in known
        if given.only in f"{screen.face}/{screen.name}"
    ]
    try:
        program = chromium()
    except FileNotFoundError as missing:
        print(missing, file=sys.stderr)
        return 2
    if given.only in ("", "shop/", "console/"):
        shutil.rmtree(given.target / given.only, ignore_errors=True)
    size = 0
    with tempfile.TemporaryDirectory(prefix="livesale-screens-") as name, Up(Path(name)) as up:
        up.wait_until_seeded()
        time.sleep(TALK_S)
        with sync_playwright() as tools:
            browser = tools.chromium.launch(executable_path=program, args=["--no-sandbox"])
            camera = Camera(browser, up, ids_of(up))
            camera.log_in()
            for screen in screens:
                size += camera.take(screen, given.target)
                print(f"{screen.face}/{screen.name}", flush=True)
            browser.close()
    if given.target == TARGET:
        text = page_of(known, given.target)
        given.target.with_suffix(".md").write_text(text, encoding="utf-8")
    print(f"{size / 1024:.0f} KB in {given.target}")
    for problem in camera.problems:
        print(f"PROBLEM {problem}", file=sys.stderr)
    return 1 if camera.problems else 0


if __name__ == "__main__":
    sys.exit(main())
