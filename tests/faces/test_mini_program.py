"""The built mini-program, in WeChat's component framework, on the real service: an evening."""

import asyncio
import json
import re
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from redis.asyncio import Redis

from livesale.faces.files import built_folder
from livesale.faces.mini_program import ADDRESS_FILE, write_folder
from livesale.ledger.writer import Writer
from livesale.line.keeper import LineKeeper
from livesale.rooms.keeper import RoomKeeper
from tests.faces.phone import Answer, Phone, open_phone
from tests.livesale.line.test_line import gather, is_joinable, served
from tests.livesale.payments.shop import APPID, Shop, open_shop
from tests.livesale.stage import running
from tests.servers import Valkey
from tests.twins.wechat_login import WeChatLoginTwin
from tests.twins.wechat_pay import WeChatPayTwin

FOLDER_APPID = "wx0123456789abcdef"
SECRET = "the secret of the mini-program"
MAX_PACKAGE_BYTES = 600_000  # WeChat's bound is 2 MB
MAX_VENDOR_BYTES = 250_000
MAX_SET_BYTES = 8_000
MAX_SETS_PER_S = 5
COMMENTS, SECONDS = 200, 10


@pytest.fixture
async def shop(
    redis: Redis, redis_server: Valkey, sqlite_url: str, tmp_path: Path
) -> AsyncIterator[tuple[Shop, WeChatLoginTwin]]:
    """A shop with WeChat's login and WeChat Pay; rooms are kept, and orders written."""
    logins = WeChatLoginTwin(APPID, SECRET, time.monotonic)
    base_url = await logins.start()
    flags = {"appid": APPID, "secret": SecretStr(SECRET), "base_url": base_url}
    settings: dict[str, Any] = {f"wechat__{name}": value for name, value in flags.items()}
    async with (
        open_shop(redis, redis_server.url, sqlite_url, tmp_path, **settings) as shop,
        running(RoomKeeper(shop.stage)),
        running(Writer(shop.stage)),
    ):
        yield shop, logins
    await logins.stop()


class Room:
    """A live room of the shop, and its host."""

    def __init__(self, shop: Shop, room_id: str) -> None:
        self.api, self.path, self.host = shop.api, f"/v1/rooms/{room_id}", shop.api.buyer("host")

    async def act(self, verb: str, body: Any = None, by: str | None = None) -> Any:
        reply = await self.api.post(f"{self.path}/{verb}", body, by=by or self.host)
        assert reply.status in (200, 201), reply.body
        return reply.body

    async def event(self) -> dict[str, Any]:
        """What somebody has said, as everybody gets it."""
        page = await self.api.get(f"{self.path}/events")
        place = {"epoch": page.body["epoch"], "after": page.body["after"]}
        await self.act("comments", {"text": "How sharp is it?"}, by=self.api.buyer("bob"))
        where = "&".join(f"{name}={value}" for name, value in place.items())
        found = await self.api.get(f"{self.path}/events?{where}&wait_ms=5000")
        return next(event for event in found.body["events"] if event["type"] == "comment")


async def open_room(shop: Shop) -> tuple[Room, str]:
    """A live room, and the draft of a drop that it sells."""
    api = shop.api
    body = {"title": "Knives tonight", "host": "host", "starts_ms": 4_000_000_000_000}
    made = await api.post("/v1/rooms", body, by=api.boss)
    room = Room(shop, made.body["room_id"])
    await room.act("start")
    drop_id = str((await api.create_drop(allotted=3, ticket_required=True))["drop_id"])
    await api.post(f"/v1/admin/drops/{drop_id}/challenge", {"difficulty": 50}, by=api.boss)
    await api.ask("PUT", f"{room.path}/drops/{drop_id}", by=api.boss)
    return room, drop_id


def person_of(
    logins: WeChatLoginTwin, twin: WeChatPayTwin, refused: list[str]
) -> tuple[Answer, Answer]:
    """How somebody logs in, and pays what is signed well; `refused` gets what is not."""

    async def log_in(_options: dict[str, Any]) -> dict[str, Any]:
        await asyncio.sleep(0.05)  # so that a second login would come beside it
        return {"code": logins.code_of("o-ann")}

    async def pay(options: dict[str, Any]) -> dict[str, Any]:
        names = ("timeStamp", "nonceStr", "package", "signType", "paySign")
        if not twin.accepts({name: options[name] for name in names}):
            refused.append("a signature")
            return {"fail": "requestPayment:fail"}
        twin.pay(next(iter(twin.orders)))
        return {}

    return log_in, pay


@pytest.mark.slow
async def test_somebody_buys_in_a_room_and_is_asked_for_nothing(
    shop: tuple[Shop, WeChatLoginTwin], tmp_path: Path
) -> None:
    store, logins = shop
    twin, api = store.twin, store.api
    room, drop_id = await open_room(store)
    folder = tmp_path / "mini-program"
    write_folder(built_folder("mp-weixin"), folder, appid=FOLDER_APPID, address=api.url, dev=True)
    refused: list[str] = []
    log_in, pay = person_of(logins, twin, refused)

    # Given a phone with the folder that devtools would open
    async with open_phone(folder, api.url, login=log_in, requestPayment=pay) as phone:
        await phone.do("launch")
        # When somebody enters the room
        await phone.tap("Knives tonight")
        item = await room.act("items", {"drop_id": drop_id, "state": "on_sale"})
        await room.act(f"items/{item['item_id']}/pin")
        await phone.see("即将开抢")
        # Then they see the countdown that the host begins
        await room.act(f"drops/{drop_id}/open", {"countdown_s": 3})
        await phone.see("距开抢")
        # And they buy and pay
        await phone.tap("立即抢购")
        await phone.see("你还可抢")
        await phone.tap("立即抢购", 1)  # that of the sheet
        await phone.tap("抢到了，去付款")
        await phone.see("请在此时间内付款")
        await phone.tap("付款 ¥19.90")
        await phone.see("付款成功")
        books = await api.get(f"/v1/admin/drops/{drop_id}/books", by=api.boss)
        assert (books.body["redis"]["sold"], books.body["redis"]["available"]) == (1, 2)
        assert refused == []

        # When the app was hidden for long, and 200 comments come in ten seconds
        await phone.do("back")
        await phone.do("hide", frozen=True)
        await phone.do("show")
        since = await say_much(phone, room)

        # Then the screen was told little, and often enough
        report = await phone.report()
        assert "comment 199" in await phone.text()
    check_manners(report)
    check_rendering(report, since)


async def say_much(phone: Phone, room: Room) -> float:
    """200 comments in ten seconds of the phone's time; when they began."""
    event = await room.event()
    await phone.see(event["comment"]["text"])  # the socket is back
    await phone.do("freeze")
    since = float((await phone.report())["now"])
    for number in range(COMMENTS):
        comment = event["comment"] | {
            "comment_id": event["comment"]["comment_id"] + 1 + number,
            "text": f"comment {number}: how sharp is it, and does it come with a box?",
            "nickname": f"somebody {number % 7}",
        }
        said = event | {"offset": event["offset"] + 1 + number, "comment": comment}
        assert (await phone.do("inject", frames=[json.dumps(said)]))["heard"] == 1
        await phone.do("pass", ms=SECONDS * 1_000 / COMMENTS)
    await phone.do("pass", ms=1_000)
    return since


@pytest.mark.slow
async def test_a_place_in_a_line_is_kept_while_the_app_is_hidden(
    shop: tuple[Shop, WeChatLoginTwin], tmp_path: Path
) -> None:
    store, logins = shop
    api, refused = store.api, list[str]()
    folder = tmp_path / "mini-program"
    write_folder(built_folder("mp-weixin"), folder, appid=FOLDER_APPID, address=api.url, dev=True)
    log_in, pay = person_of(logins, store.twin, refused)
    async with (
        running(LineKeeper(store.stage)),
        open_phone(folder, api.url, login=log_in, requestPayment=pay) as phone,
    ):
        await phone.do("launch")
        # Given a drop with a line, which somebody joins before it opens
        drop_id = await gather(api, opens_in_ms=8_000, units=2, turn_ms=600_000)
        await is_joinable(api, drop_id)
        await phone.do("open", url=f"pages/drop/index?id={drop_id}")
        await phone.tap("加入排队")
        await phone.see("你已在排队")
        await phone.see("顺序在开抢时确定")
        # When the app is hidden until the line has moved, and for five minutes by the phone's clock
        await phone.do("hide", frozen=True)
        await served(api, drop_id, 1)
        await phone.do("pass", ms=300_000)
        await phone.do("show")
        # Then it is their turn, and they buy and pay
        await phone.see("轮到你了")
        await phone.tap("立即抢购")
        await phone.see("你还可抢")
        await phone.tap("立即抢购", 1)  # that of the sheet
        await phone.tap("抢到了，去付款")
        await phone.tap("付款 ¥19.90")
        await phone.see("付款成功")
        # And the phone computes their place from what was published
        await phone.do("back")
        await phone.tap("自己验证顺序")
        await phone.see("手机算出：1 人中第 1 位，与告诉你的一致")
        line = (await api.get(f"/v1/drops/{drop_id}/line")).body
        report = await phone.report()
    assert (line["people"], line["left"]) == (1, 0)
    assert refused == []
    assert (report["faults"], report["logged"]) == ([], [])
    assert (report["calls"]["login"], report["mostLogins"]) == (1, 1)
    assert set(report["private"]).isdisjoint(report["calls"])


def check_rendering(report: dict[str, Any], since: float) -> None:
    """At most 5 setData a second of a component, and 8 KB each, while all speak."""
    sets = [one for one in report["sets"] if one["at"] >= since]
    assert sum(one["bytes"] for one in sets) > COMMENTS  # they were shown
    busiest = Counter((one["path"], int((one["at"] - since) // 1_000)) for one in sets)
    largest = max(one["bytes"] for one in sets)
    senders = Counter(one["path"] for one in sets)
    print(f"setData: at most {largest} bytes, by {dict(senders)}")
    assert max(busiest.values()) <= MAX_SETS_PER_S, busiest
    assert largest <= MAX_SET_BYTES


def check_manners(report: dict[str, Any]) -> None:
    assert report["faults"] == []
    assert report["logged"] == []
    # It logged in once, and asked the person for nothing
    assert (report["calls"]["login"], report["mostLogins"]) == (1, 1)
    assert set(report["private"]).isdisjoint(report["calls"])
    # It solved the challenge in a worker
    assert report["calls"]["createWorker"] == 1
    # It kept within WeChat's bounds: ten requests, of which buying has some for itself
    assert report["mostRequests"] <= 7
    # After it was shown again it had another socket, and never two
    assert len(report["sockets"]) == 2
    assert "after=" in report["sockets"][1]
    assert report["mostSockets"] == 1


def test_the_package_is_small() -> None:
    built = built_folder("mp-weixin")
    app = json.loads((built / "app.json").read_text())
    subpackages = [each["root"].strip("/") for each in app.get("subPackages", [])]
    main = {
        name: path.stat().st_size
        for path in built.rglob("*")
        if path.is_file()
        and not (name := path.relative_to(built).as_posix()).startswith(
            tuple(f"{root}/" for root in subpackages)
        )
    }
    print(f"main package: {sum(main.values())} bytes, vendor: {main['common/vendor.js']} bytes")
    assert sum(main.values()) <= MAX_PACKAGE_BYTES
    assert main["common/vendor.js"] <= MAX_VENDOR_BYTES
    # Whatever only a subpackage uses is in it, and the main package needs nothing of a subpackage
    pages = [*app["pages"], *(name[:-5] for name in main if name.endswith(".json"))]
    used = used_by({"app.js", *(f"{page}.js" for page in pages)}, built)
    scripts = {name for name in main if name.endswith(".js") and not name.startswith("workers/")}
    assert scripts - used <= {ADDRESS_FILE}
    assert used <= scripts


def used_by(names: set[str], built: Path) -> set[str]:
    """These scripts, and what they require, and so on."""
    used: set[str] = set()
    left = [name for name in names if (built / name).is_file()]
    while left:
        name = left.pop()
        if name in used:
            continue
        used.add(name)
        for wanted in re.findall(r'require\("([^"]+)"\)', (built / name).read_text()):
            found = (built / name).parent.joinpath(wanted).resolve().relative_to(built.resolve())
            left.append(found.as_posix())
    return used
