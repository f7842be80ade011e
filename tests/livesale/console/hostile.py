"""A shop all of whose texts are scripts: titles, names, comments, reasons, names of files."""

from typing import Any
from urllib.parse import quote

from sqlalchemy import select, update

from livesale.database import engine as database
from livesale.ledger.refunds import refunds
from tests.livesale.api import FAR_MS, Api
from tests.livesale.identity.operators.person import come
from tests.livesale.orders.after import HOME, sell, ship, tell_address
from tests.livesale.stage import until_written

RUN = "window.__ran=1"
# A tag, an attribute's end, a template of Vue: each would run `RUN` where it is not text.
TAG = f"\"><img src=x onerror={RUN}>'</script><script>{RUN}</script>"
TEMPLATE = f"{{{{$emit.constructor('{RUN}')()}}}}"
SCRIPT = f"{TAG}{TEMPLATE}"
NAME = "<svg onload=window.__ran=1>"
FILE = "<img src=x onerror=window.__ran=1>.csv"


class Hostile:
    """Ids of what was made."""

    drop_id: str
    room_id: str
    order_id: str
    product_id: str
    sku_id: str
    campaign_id: str
    case_id: str

    def __init__(self, api: Api) -> None:
        self.api = api

    async def ok(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        options.setdefault("by", self.api.boss)
        reply = await self.api.ask(method, path, body, **options)
        assert reply.status in (200, 201, 202), (path, reply.body)
        return reply.body

    async def post(self, path: str, body: Any = None, **options: Any) -> Any:
        return await self.ok("POST", path, body, **options)

    async def fill(self) -> None:
        """Everything that people write, written by somebody hostile. A writer must run."""
        await self._sell()
        await self._complain()
        await self._show()
        await self._record()

    async def _sell(self) -> None:
        await self.post("/v1/admin/categories", {"path": "tea", "title": SCRIPT})
        product = {"title": "x", "description": SCRIPT}
        refused = await self.api.post("/v1/admin/products", product, by=self.api.boss)
        assert refused.code == "invalid_field"  # a description is Markdown without HTML
        made = await self.post(
            "/v1/admin/products",
            {
                "title": SCRIPT,
                "description": f"# {TEMPLATE}\n\n[x](javascript:{RUN})",
                "category": "tea",
                "status": "on_sale",
                "skus": [{"title": SCRIPT, "price_fen": 100}],
            },
        )
        self.product_id = made["product"]["product_id"]
        self.sku_id = made["skus"][0]["sku_id"]
        campaign = {"title": SCRIPT, "opens_ms": 0, "closes_ms": FAR_MS}
        self.campaign_id = (await self.post("/v1/admin/campaigns", campaign))["campaign_id"]
        ids = {"sku_id": self.sku_id, "campaign_id": self.campaign_id}
        self.drop_id = await self.api.open_drop(**ids)
        adjust = f"/v1/admin/drops/{self.drop_id}/adjust"
        await self.post(adjust, {"delta": 5, "reason": SCRIPT}, Idempotency_Key="k")

    async def _complain(self) -> None:
        api, buyer = self.api, self.api.buyer()
        self.order_id = await sell(api, self.drop_id)
        address = dict.fromkeys(("name", "province", "city", "district", "detail"), NAME)
        await tell_address(api, self.order_id, **address, phone=HOME["phone"])
        await ship(api, self.order_id, note=SCRIPT)
        for verb, answer in (("refuse", SCRIPT), ("", "")):
            body = {"kind": "refund", "units": 1, "reason": SCRIPT}
            case = await self.post(f"/v1/orders/{self.order_id}/cases", body, by=buyer)
            self.case_id = case["case_id"]
            if verb:
                await self.post(f"/v1/admin/cases/{self.case_id}/{verb}", {"answer": answer})
        other = await sell(api, self.drop_id, "bob")
        await self.post(f"/v1/admin/orders/{other}/refund", {"reason": SCRIPT})
        await until_written(api.deployment)
        await self._fail_refund(other)

    async def _fail_refund(self, order_id: str) -> None:
        """The gateway has refused, in its own words."""
        async with database.transaction(self.api.deployment.sql) as connection:
            mine = refunds.c.order_id == order_id
            await connection.execute(
                update(refunds).where(mine).values(state="failed", last_error=SCRIPT[:100])
            )
            assert await connection.scalar(select(refunds.c.state).where(mine)) == "failed"

    async def _show(self) -> None:
        buyer = self.api.buyer("cat")
        await self.ok("PATCH", "/v1/me", {"nickname": NAME}, by=buyer)
        room = {"title": SCRIPT, "host": "host", "host_name": NAME, "starts_ms": FAR_MS}
        self.room_id = (await self.post("/v1/rooms", room))["room_id"]
        path = f"/v1/rooms/{self.room_id}"
        await self.post(f"{path}/start")
        item = {"sku_id": self.sku_id, "title": SCRIPT, "state": "on_sale"}
        item_id = (await self.post(f"{path}/items", item))["item_id"]
        await self.post(f"{path}/items/{item_id}/pin")
        await self.post(f"{path}/comments", {"text": TEMPLATE}, by=self.api.buyer("dan"))
        said = await self.post(f"{path}/comments", {"text": TAG}, by=buyer)
        bar = {"person_id": said["person_id"], "seconds": 600, "reason": SCRIPT}
        await self.post(f"{path}/mutes", bar)
        bag = {"title": SCRIPT, "places": 1, "countdown_s": 3_600, "coupon": SCRIPT}
        await self.post(f"{path}/bags", bag | {"phrase": NAME})

    async def _record(self) -> None:
        """What has a name of its own, and the log of it all."""
        await self.post(
            f"/v1/admin/imports?name={quote(FILE)}",
            raw=f"title,price\n{NAME},1\n".encode(),
            Content_Type="text/csv",
        )
        moved = {"kind": "received", "units": 1, "note": SCRIPT}
        kept = {"title": SCRIPT, "price_fen": 1, "keeps_stock": True}
        sku = await self.post("/v1/admin/skus", kept)
        await self.post(f"/v1/admin/skus/{sku['sku_id']}/moves", moved)
        # a browser that calls itself a script, in the list of the owner's sessions
        owner = await come(self.api, "otto", "owner")
        link = await owner.ok("POST", "/v1/admin/operators/otto/link")
        await self.post("/v1/operator/session", {"link": link["link"]}, by=None, User_Agent=SCRIPT)
