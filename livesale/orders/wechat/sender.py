"""Tells WeChat of shipments until it has accepted them: part of the keeper's process."""

import asyncio

import structlog
from msgspec.structs import replace
from prometheus_client import CollectorRegistry, Counter, Gauge
from sqlalchemy import select

from livesale.catalogue.tables import skus
from livesale.database.engine import now_ms
from livesale.database.session import session
from livesale.identity.store import find_subject
from livesale.ledger.refunds import sale_of
from livesale.ledger.tables import drops, orders
from livesale.orders.addresses.sealing import CannotOpen, Sealer
from livesale.orders.shipments.carriers import Method
from livesale.orders.shipments.store import Parcel, ParcelState, parcels_of
from livesale.orders.wechat import outbox
from livesale.orders.wechat.client import Outcome, SentParcel, Shipping, WeChatShipping
from livesale.orders.wechat.outbox import Upload
from livesale.payments.prepays import find_prepay
from livesale.resources import Deployment
from livesale.tasks import Tasks, note_fault
from livesale.tokens.apps import App
from stock.ids import drop_of

PAGE = 50
IDLE_S = 1.0
BUSY_S = 0.05
FIRST_MS = 2_000
LONGEST_MS = 600_000

log = structlog.get_logger(__name__)


class UploadMetrics:
    """Metrics of what WeChat is told."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.uploads = Counter(
            "livesale_shipping_uploads_total",
            "Calls that told WeChat of a shipment: sent, later (it is retried) or refused",
            ["outcome"],
            registry=registry,
        )
        self.refused = Gauge(
            "livesale_shipping_refused",
            "Orders whose shipping information WeChat refuses: their money stays frozen",
            registry=registry,
        )


class ShippingSender:
    """Any number of keepers may run it: a row is claimed before the call."""

    def __init__(
        self,
        deployment: Deployment,
        wechat: WeChatShipping,
        registry: CollectorRegistry | None = None,
    ) -> None:
        self._sql = deployment.sql
        self._appid = deployment.settings.wechat.appid
        self._sealer = Sealer.from_settings(deployment.settings)
        self._wechat = wechat
        self._metrics = UploadMetrics(registry or CollectorRegistry())

    async def run(self, stop: asyncio.Event) -> None:
        async with self._wechat.running(), Tasks(stop) as tasks:
            tasks.repeat("orders: wechat", self._keep_sending)

    async def step(self, at_ms: int) -> int:
        """Send up to a page; how many were due."""
        async with session(self._sql) as connection:
            found = await outbox.due_uploads(connection, at_ms, PAGE)
        for upload in found:
            try:
                await self._send(upload, at_ms)
            except Exception as fault:  # it is due again later; the others go on
                note_fault("shipping upload", fault, about=upload.order_id)
        async with session(self._sql) as connection:
            self._metrics.refused.set(await outbox.count_refused(connection))
        return len(found)

    async def _keep_sending(self) -> float:
        return BUSY_S if await self.step(now_ms()) == PAGE else IDLE_S

    async def _send(self, upload: Upload, at_ms: int) -> None:
        next_ms = at_ms + min(LONGEST_MS, FIRST_MS * 2 ** min(upload.tries, 16))
        async with session(self._sql, write=True) as connection:
            if not await outbox.change(connection, upload, tries=upload.tries + 1, next_ms=next_ms):
                return  # another keeper has it
        claimed = replace(upload, tries=upload.tries + 1)
        shipping = await self._shipping(upload.order_id)
        if shipping is None:
            state, detail = outbox.NOT_NEEDED, "paid by the official account"
        elif isinstance(shipping, str):
            state, detail = outbox.REFUSED, shipping
        else:
            delivery = await self._wechat.upload(shipping, at_ms)
            self._metrics.uploads.labels(delivery.outcome).inc()
            states = {Outcome.SENT: outbox.SENT, Outcome.REFUSED: outbox.REFUSED}
            state, detail = states.get(delivery.outcome, outbox.DUE), delivery.detail
        async with session(self._sql, write=True) as connection:
            await outbox.change(connection, claimed, state=state, detail=detail, updated_ms=at_ms)
        if state == outbox.REFUSED:
            log.error("WeChat refuses a shipment", order_id=upload.order_id, reason=detail)

    async def _shipping(self, order_id: str) -> Shipping | str | None:
        """What WeChat is told, or why it cannot be told; None if it does not ask."""
        async with session(self._sql) as connection:
            buyer_id = await connection.scalar(
                select(orders.c.buyer_id).where(orders.c.order_id == order_id)
            )
            paid = await sale_of(connection, order_id)
            prepay = await find_prepay(connection, order_id)
            there = await parcels_of(connection, [order_id])
            title = await connection.scalar(
                select(skus.c.title)
                .join(drops, drops.c.sku_id == skus.c.sku_id)
                .where(drops.c.drop_id == drop_of(order_id))
            )
        if paid is None or not paid.amount_fen or buyer_id is None:
            return "it was not paid"
        if prepay is not None and prepay.announced_in is App.OFFICIAL_ACCOUNT:
            return None
        openid = await find_subject(self._sql, buyer_id, "wechat", self._appid)
        if openid is None:
            return "WeChat does not know the buyer"
        shipped = [p for p in there if p.state in (ParcelState.SHIPPED, ParcelState.RECEIVED)]
        if not shipped:
            return "nothing is shipped"
        return Shipping(
            payment_id=paid.payment_id,
            openid=openid,
            item=title or order_id,
            is_complete=len(shipped) == len(there) and any(p.is_last for p in there),
            parcels=[self._parcel(parcel) for parcel in shipped],
        )

    def _parcel(self, parcel: Parcel) -> SentParcel:
        last_four = ""
        if parcel.sealed:
            try:
                address = self._sealer.open(parcel.sealed, "parcel", parcel.parcel_id)
                last_four = address.last_four
            except CannotOpen:
                pass
        return SentParcel(Method(parcel.method), parcel.carrier, parcel.number, last_four)
