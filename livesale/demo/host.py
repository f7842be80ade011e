"""Runs the show over HTTP: an operator prepares it, the host is on air."""

from typing import Any

import msgspec

from loadtests.history import Drop
from loadtests.line import Line
from loadtests.sale import call, server_ms

HOST = "host"
BUYER_LIMIT = 2
PRICE_FEN = 129_900
PRIZES = 5
PHRASE = "我要福袋"
TITLES = ("Sneaker, size 42", "Socks, three pairs")


class Host:
    """The operator and the host of one room. All methods raise SaleRefused."""

    def __init__(self, line: Line, operator_token: str, host_token: str) -> None:
        self._line = line
        self._operator_token = operator_token
        self._host_token = host_token
        self.room_id = ""
        self.drop_id = ""
        self.prize_id = ""
        self.items: dict[str, str] = {}  # title by id

    async def prepare(self, title: str, stock: int, hold_s: float) -> None:
        """Make a room with two items, the drop, and the prizes of the lucky bag."""
        now_ms = await server_ms(self._line)
        times = {"opens_ms": now_ms, "closes_ms": now_ms + 3_600_000}
        new = {"title": title, "host": HOST, "starts_ms": now_ms}
        self.room_id = (await self._operate("POST", "/v1/rooms", new))["room_id"]
        campaign = await self._operate("POST", "/v1/admin/campaigns", {"title": title, **times})
        skus = [
            (await self._operate("POST", "/v1/admin/skus", {"title": each, "price_fen": PRICE_FEN}))
            for each in TITLES
        ]

        async def draft(sku: dict[str, Any], **terms: Any) -> str:
            ids = {"campaign_id": campaign["campaign_id"], "sku_id": sku["sku_id"]}
            made = await self._operate("POST", "/v1/admin/drops", {**ids, **terms})
            drop_id = str(made["drop_id"])
            await self._operate("PUT", f"{self._room}/drops/{drop_id}")
            return drop_id

        self.drop_id = await draft(
            skus[0],
            price_fen=PRICE_FEN,
            allotted=stock,
            buyer_limit=BUYER_LIMIT,
            hold_ms=int(hold_s * 1000),
            expired_limit=0,
        )
        self.prize_id = await draft(
            skus[1],
            price_fen=0,
            allotted=PRIZES,
            buyer_limit=1,
            hold_ms=int(hold_s * 1000),
        )
        for reference in ({"drop_id": self.drop_id}, {"sku_id": skus[1]["sku_id"]}):
            item = await self.do("items", {**reference, "state": "visible"})
            self.items[item["item_id"]] = item["title"]

    async def pin(self, number: int) -> None:
        await self.do(f"items/{list(self.items)[number]}/pin")

    async def open_drop(self, countdown_s: float) -> Drop:
        made = await self.do(f"drops/{self.drop_id}/open", {"countdown_s": countdown_s})
        terms = (made["allotted"], BUYER_LIMIT, PRICE_FEN, made["opens_ms"])
        return Drop(self.drop_id, *terms, self.room_id)

    async def restock(self, units: int) -> None:
        await self.do(f"drops/{self.drop_id}/restock", {"units": units, "reason": "another box"})

    async def open_bag(self, countdown_s: float) -> str:
        """Open a lucky bag; its id."""
        new = {"title": "Lucky bag", "places": PRIZES, "countdown_s": countdown_s}
        made = await self.do("bags", {**new, "drop_id": self.prize_id, "phrase": PHRASE})
        return str(made["bag_id"])

    async def record_of(self, bag_id: str) -> bytes:
        """The public record of a draw."""
        return msgspec.json.encode(
            await call(self._line, "", "GET", f"{self._room}/bags/{bag_id}", None)
        )

    async def do(self, verb: str, body: Any = None) -> dict[str, Any]:
        """POST a call of the room as its host."""
        return await call(self._line, self._host_token, "POST", f"{self._room}/{verb}", body)

    @property
    def _room(self) -> str:
        return f"/v1/rooms/{self.room_id}"

    async def _operate(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        return await call(self._line, self._operator_token, method, path, body)
