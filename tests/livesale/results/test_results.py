"""Results of a sale are the sums of its rows, and a curve ends at the books."""

from typing import Any

from sqlalchemy import func, select

from livesale.database.engine import snapshot
from livesale.ledger import tables
from livesale.ledger.writer import Writer
from livesale.results.service import trace
from livesale.results.store import DropRow, Moved
from tests.livesale.api import FAR_MS, Api
from tests.livesale.orders.after import sell
from tests.livesale.stage import on_both, running, until_written


async def results(api: Api, query: str) -> dict[str, Any]:
    reply = await api.get(f"/v1/admin/results?{query}", by=api.viewer)
    assert reply.status == 200, reply.body
    return dict(reply.body)


@on_both
async def test_sums_are_those_of_sql_and_curves_end_at_the_books(api: Api) -> None:
    async with running(Writer(api.deployment)):
        # given a sale: two sold, one given back, one held, one sold and partly refunded
        drop_id = await api.open_drop(allotted=10)
        rid = await sell(api, drop_id, "ann", 2)
        await sell(api, drop_id, "bob")
        back = await api.reserve(drop_id, "cleo")
        path = f"/v1/reservations/{back.body['reservation_id']}"
        assert (await api.delete(path, by=api.buyer("cleo"))).status == 200
        assert (await api.reserve(drop_id, "dora")).status == 201
        refund = {"reason": "broken", "amount_fen": 500, "refund_id": "r1"}
        made = await api.post(f"/v1/admin/orders/{rid}/refund", refund, by=api.boss)
        assert made.status == 201
        await until_written(api.deployment)
    terms = (await api.get(f"/v1/admin/drops/{drop_id}", by=api.viewer)).body
    # when an operator looks at the results of the campaign
    found = await results(api, f"campaign_id={terms['campaign_id']}")
    [drop] = found["drops"]
    # then they are what SQL has
    async with snapshot(api.deployment.sql) as connection:
        row = tables.orders.c
        sums = select(func.count(), func.sum(row.quantity)).where(row.drop_id == drop_id)
        orders, units = (await connection.execute(sums)).one()
        sold = select(func.sum(row.amount_fen)).where(row.drop_id == drop_id, row.state == "sold")
        amount_fen = await connection.scalar(sold)
    assert (drop["reserved_orders"], drop["reserved_units"]) == (orders, units) == (4, 5)
    assert drop["amount_fen"] == amount_fen == 3 * 1_990
    assert (drop["sold_orders"], drop["released_orders"], drop["expired_orders"]) == (2, 1, 0)
    assert (drop["back_fen"], drop["late_fen"], drop["failed_fen"]) == (500, 0, 0)
    assert (drop["remaining"], drop["held"], drop["sold"], drop["allotted"]) == (6, 1, 3, 10)
    assert found["funnel"] == {"entered": None, "opened": None, "reserved": 4, "paid": 2}

    # and the file has the same, with its sums
    file = await api.get(
        f"/v1/admin/exports/results?campaign_id={terms['campaign_id']}", by=api.viewer
    )
    head, line, total = file.raw.decode("utf-8-sig").splitlines()
    assert dict(zip(head.split(","), line.split(","), strict=True))["amount_fen"] == "5970"
    assert total.startswith("total,")
    assert "5970" in total

    # and the curve begins before the drop, and ends at its books
    since_ms = terms["created_ms"] - 60_000
    asked = f"/v1/admin/curves?drop_ids={drop_id},nothing&since_ms={since_ms}"
    [curve] = (await api.get(asked, by=api.viewer)).body["curves"]
    first, last = curve["points"][0], curve["points"][-1]
    assert (first["remaining"], first["held"], first["sold"]) == (0, 0, 0)
    assert (last["remaining"], last["held"], last["sold"]) == (6, 1, 3)
    times = [point["at_ms"] for point in curve["points"]]
    assert times == sorted(set(times))
    # and what asks for nothing that is there is refused
    both = await api.get("/v1/admin/results", by=api.viewer)
    assert both.code == "invalid_parameter"
    nobody = await api.get("/v1/admin/results?campaign_id=nothing", by=api.viewer)
    assert nobody.code == "unknown_campaign"
    ahead = await api.get(f"/v1/admin/curves?drop_ids={drop_id}&since_ms={FAR_MS}", by=api.viewer)
    assert ahead.code == "invalid_field"


def test_a_curve_is_made_backwards_and_leaves_out_what_came_later() -> None:
    # given books of 5 left and 3 sold, and moves in the steps 0, 2 and 5
    drop = DropRow("d", "c", None, "", "open", 1, 0, 0, 0, 0, 8, 5, 0, 3, 0)
    moved = [Moved(0, 8, 0, 0, 0), Moved(2, -2, 0, 2, 0), Moved(5, -1, 0, 1, 0)]
    # when four steps of 10 ms are asked for
    points = trace(drop, moved, 1_000, 1_040, 10, 2_000)
    # then what moved after them is not in the curve
    shown = [(point.at_ms, point.remaining, point.sold) for point in points]
    assert shown == [(1_000, 0, 0), (1_010, 8, 0), (1_030, 6, 2), (1_040, 6, 2)]
