"""`livesale drop create`: makes a drop from a title and a price."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from typer import Option

from livesale.cli.flags import DataDir, Json, RedisUrl, SqlUrl
from livesale.cli.opened import show_drop, with_deployment
from stock.model import MAX_HOLD_MS, MAX_PRICE_FEN, MAX_QUANTITY, MAX_UNITS

if TYPE_CHECKING:
    from livesale.catalogue.store import Drop
    from livesale.resources import Deployment

T = TypeVar("T")

MAX_LASTS_S = 366 * 24 * 3_600
# Fields that only the types check: their flag, and its values.
_FLAGS = {
    "title": ("--title", "Use 1 to 200 characters, without control characters."),
    "opens_ms": ("--opens", "Use a time from 2001 to 2286."),
    "closes_ms": ("--opens", "Use a time from 2001 to 2286."),
    "campaign_id": ("--campaign", "This is not a campaign id."),
    "sku_id": ("--sku", "This is not a SKU id."),
}


def create(
    title: Annotated[str, Option(help="Title of the SKU and of the campaign")],
    price_fen: Annotated[
        int, Option(min=1, max=MAX_PRICE_FEN, help="Price of one unit in fen: 9900 is ¥99")
    ],
    stock: Annotated[int, Option(min=1, max=MAX_UNITS, help="Units to sell")],
    limit: Annotated[int, Option(min=1, max=MAX_QUANTITY, help="Units one buyer may have")] = 1,
    hold_s: Annotated[
        float, Option(min=0.001, max=MAX_HOLD_MS / 1000, help="Seconds a buyer has to pay")
    ] = 900.0,
    opens: Annotated[str | None, Option(metavar="TIME", help="ISO 8601; default: now")] = None,
    lasts_s: Annotated[
        float, Option(min=0.001, max=MAX_LASTS_S, help="Seconds from the opening to the close")
    ] = 3600.0,
    campaign: Annotated[str | None, Option(metavar="ID", help="An existing campaign")] = None,
    sku: Annotated[str | None, Option(metavar="ID", help="An existing SKU")] = None,
    tickets: Annotated[bool, Option("--tickets", help="Sell by purchase tickets")] = False,
    open_now: Annotated[bool, Option("--open", help="Also open the drop")] = False,
    redis: RedisUrl = None,
    sql: SqlUrl = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Create a drop, with a new SKU and campaign unless you name them."""
    opens_ms = None if opens is None else _milliseconds(opens)

    async def run(deployment: "Deployment") -> "Drop":
        from livesale.catalogue.service import NewCampaign
        from livesale.catalogue.skus.service import NewSku
        from livesale.sales.drops import Drops, NewDrop

        start = await deployment.engine.now_ms() if opens_ms is None else opens_ms
        window = {"opens_ms": start, "closes_ms": start + int(lasts_s * 1000)}
        terms = {
            "price_fen": price_fen,
            "allotted": stock,
            "buyer_limit": limit,
            "hold_ms": int(hold_s * 1000),
            "ticket_required": tickets,
            **window,
        }
        # Check everything before writing anything.
        new = _checked(NewDrop, {**terms, "campaign_id": campaign or "0", "sku_id": sku or "0"})
        new_sku = _checked(NewSku, {"title": title, "price_fen": price_fen})
        new_campaign = _checked(NewCampaign, {"title": title, **window})
        drops = Drops(deployment)
        drop = await drops.create(
            new,
            new_sku=None if sku else new_sku,
            new_campaign=None if campaign else new_campaign,
        )
        return await drops.open(drop.drop_id) if open_now else drop

    asked = {"title": title, "price_fen": price_fen, "stock": stock, "open": open_now}
    deed = "drop create", "", asked | {"campaign": campaign, "sku": sku}
    show_drop(with_deployment(run, redis, sql, data_dir, deed), as_json)


def _checked(kind: type[T], values: dict[str, Any]) -> T:
    import msgspec

    try:
        return msgspec.convert(values, kind)
    except msgspec.ValidationError as error:
        field = str(error).rpartition("$.")[2].rstrip("`")
        flag, cure = _FLAGS.get(field, (None, str(error)))
        raise typer.BadParameter(cure, param_hint=flag) from None


def _milliseconds(moment: str) -> int:
    try:
        return int(datetime.fromisoformat(moment).timestamp() * 1000)
    except ValueError:
        cure = "Write it like 2026-11-11T20:00:00+08:00."
        raise typer.BadParameter(cure, param_hint="--opens") from None
