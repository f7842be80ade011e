"""Pictures that buyers show with a case: uploaded to their order first, then named in the case."""

import time
from collections.abc import Collection

from sqlalchemy import func, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.catalogue.pictures.service import Pictures, PictureView, picture_id_of
from livesale.database.engine import now_ms
from livesale.database.session import session
from livesale.orders.cases.tables import evidence
from livesale.orders.events import lock_order
from livesale.orders.shipments.service import check_sold
from livesale.resources import Deployment
from livesale.tasks.rates import RateLimit
from livesale.validation.refusals import OrderRefused
from livesale.web.limits import too_many_of_buyer

MAX_PICTURES = 20  # of an order
# A worker encodes one picture at a time, and keeps each: so many of one buyer, in each worker.
PER_S, BURST = 1 / 60, 12


class Evidence:
    """One per process."""

    def __init__(self, deployment: Deployment, pictures: Pictures) -> None:
        self._sql = deployment.sql
        self._pictures = pictures
        self._uploads = RateLimit(PER_S, BURST)

    async def upload(self, order_id: str, buyer_id: str, raw: bytes) -> PictureView:
        """Keep a picture with a buyer's sold order. The same picture again changes nothing.

        Raises Problem (slow_down), Unknown, OrderRefused (not_sold, order_over,
        too_many_pictures), PictureRefused, MediaUnavailable, StoreUnavailable or Crowded.
        """
        picture_id = picture_id_of(raw)
        async with session(self._sql, write=True) as connection:  # before the work of encoding
            await _check_room(connection, order_id, buyer_id, picture_id)
        wait_s = self._uploads.wait_s(buyer_id, time.monotonic())
        if wait_s:
            raise too_many_of_buyer(wait_s)
        picture, _ = await self._pictures.upload(raw, f"buyer|{buyer_id}")
        row = {"order_id": order_id, "picture_id": picture_id, "created_ms": now_ms()}
        try:
            async with session(self._sql, write=True) as connection:
                await _check_room(connection, order_id, buyer_id, picture_id)
                await connection.execute(insert(evidence), row)
        except IntegrityError:  # the order has it
            pass
        return picture


async def missing_evidence(
    connection: AsyncConnection, order_id: str, picture_ids: Collection[str]
) -> list[str]:
    """Those of these pictures that were not uploaded to this order."""
    query = select(evidence.c.picture_id).where(
        evidence.c.order_id == order_id, evidence.c.picture_id.in_(picture_ids)
    )
    there = set((await connection.execute(query)).scalars())
    return [each for each in picture_ids if each not in there]


async def _check_room(
    connection: AsyncConnection, order_id: str, buyer_id: str, picture_id: str
) -> None:
    check_sold(await lock_order(connection, order_id, buyer_id))
    query = select(func.count()).where(
        evidence.c.order_id == order_id, evidence.c.picture_id != picture_id
    )
    if (await connection.scalar(query) or 0) >= MAX_PICTURES:
        raise OrderRefused("too_many_pictures", f"At most {MAX_PICTURES} pictures of an order.")
