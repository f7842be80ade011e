"""Files: orders to ship go out as csv, tracking numbers come in, row by row."""

import io

import openpyxl

from livesale.ledger.writer import Writer
from tests.livesale.api import Api, Reply
from tests.livesale.orders.after import order_of, sell, tell_address
from tests.livesale.stage import running

CSV = "text/csv"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


async def send(api: Api, raw: bytes, kind: str = CSV) -> Reply:
    return await api.post("/v1/admin/shipping", raw=raw, by=api.boss, Content_Type=kind)


async def three_orders(api: Api) -> list[str]:
    """Paid orders; the last one has no address."""
    async with running(Writer(api.deployment)):
        drop_id = await api.open_drop(buyer_limit=3)
        found = [await sell(api, drop_id) for _ in range(3)]
    for order_id in found[:2]:
        await tell_address(api, order_id, name="=HYPERLINK(1)")
    return found


async def test_a_file_ships_its_good_rows_once(api: Api) -> None:
    first, second, bare = await three_orders(api)
    text = (
        "订单号,快递公司,快递单号\n"
        f"{first},顺丰,SF1234567890123\n"
        f"{second},韵达,12\n"
        f"{bare},SF,SF1234567890124\n"
        "x,SF,SF1234567890125\n"
        f"{second},YD,\n"
    )
    # when the file comes, in GBK, then good rows take effect, and bad ones come back
    reply = await send(api, text.encode("gb18030"))
    assert reply.status == 200, reply.body
    assert (reply.body["rows"], reply.body["shipped"], reply.body["same"]) == (5, 1, 0)
    assert [(error["row"], error["code"]) for error in reply.body["errors"]] == [
        (3, "invalid_field"),
        (4, "no_address"),
        (5, "unknown_order"),
        (6, "invalid_field"),
    ]
    assert (await order_of(api, first))["stage"] == "shipped"
    # when it comes again, then nothing changes
    again = (await send(api, text.encode())).body
    assert (again["shipped"], again["same"], len(again["errors"])) == (0, 1, 4)
    assert len((await order_of(api, first))["parcels"]) == 1


async def test_a_packed_parcel_gets_its_number_from_an_xlsx(api: Api) -> None:
    order_id = (await three_orders(api))[0]
    await api.post(f"/v1/admin/orders/{order_id}/parcels", {}, by=api.boss)
    book = openpyxl.Workbook()
    assert book.active is not None
    book.active.append(["order_id", "carrier", "number"])
    book.active.append([order_id, "YD", 1234567890123])
    target = io.BytesIO()
    book.save(target)
    reply = await send(api, target.getvalue(), XLSX)
    assert (reply.body["shipped"], reply.body["errors"]) == (1, [])
    (parcel,) = (await order_of(api, order_id))["parcels"]
    assert (parcel["state"], parcel["number"]) == ("shipped", "1234567890123")


async def test_what_is_no_file_of_numbers(api: Api) -> None:
    for raw, code in (
        (b"", "malformed_body"),
        (b"order_id,carrier\nx,SF\n", "file_header"),
        (b"order_id,carrier,number,number\n", "file_header"),
        (b"\x00\x01", "file_kind"),
        (b"order_id,carrier,number\n" + b"x,SF,1\n" * 1_001, "file_rows"),
    ):
        assert (await send(api, raw)).code == code


async def test_orders_go_out_without_formulas(api: Api) -> None:
    first, second, bare = await three_orders(api)
    reply = await api.get("/v1/admin/exports/orders", by=api.boss)
    lines = str(reply.body).removeprefix("\ufeff").splitlines()
    assert lines[0].startswith("order_id,status,quantity,amount_fen,name,phone")
    assert [line.partition(",")[0] for line in lines[1:]] == [bare, second, first]
    assert lines[2].split(",")[4] == "'=HYPERLINK(1)"
    assert (await api.get("/v1/admin/exports/orders", by=api.viewer)).status == 403
