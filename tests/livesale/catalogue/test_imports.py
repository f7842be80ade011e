"""Goods from files: good rows go in, bad ones come back, each once."""

import asyncio
import csv
import io
from typing import Any

import pytest

from livesale.catalogue.imports import keeper as import_keeper
from livesale.catalogue.imports.keeper import ImportKeeper
from livesale.spreadsheets.reading import read
from tests.livesale.api import Api, Reply
from tests.livesale.spreadsheets.test_reading import xlsx
from tests.livesale.stage import on_both_in_soak, running
from tests.waiting import until

HEADER = ["title", "product_code", "sku_code", "price", "stock", "category", "规格", "status"]
GOOD: list[list[Any]] = [
    ["龙井", "P1", "P1-L", 99, 10, "", "尺寸=L", "上架"],
    ["龙井", "P1", "P1-M", 89.5, 5, "", "尺寸=M", ""],
    ["Cup", "", "C1", "12.00", "", "", "", ""],
]
BAD: list[list[Any]] = [
    ["", "", "B1", 1, "", "", "", ""],
    ["No price", "", "B2", "free", "", "", "", ""],
    ["Half a fen", "", "B3", "1.005", "", "", "", ""],
    ["Same code", "", "C1", 1, "", "", "", ""],
    ["Another title", "P1", "B5", 1, "", "", "", ""],
    ["No such category", "", "B6", 1, "", "none", "", ""],
    ["'=cmd()", "", "B 7", 1, "", "", "", ""],
]


def table(rows: list[list[Any]]) -> bytes:
    target = io.StringIO()
    csv.writer(target).writerows([HEADER, *rows])
    return target.getvalue().encode()


async def send(api: Api, raw: bytes, **headers: str) -> Reply:
    path = "/v1/admin/imports?name=goods.xlsx"
    return await api.post(path, raw=raw, by=api.boss, Content_Type="text/csv", **headers)


async def progress(api: Api, import_id: str) -> dict[str, Any]:
    reply = await api.get(f"/v1/admin/imports/{import_id}", by=api.viewer)
    assert reply.status == 200, reply.body
    return dict(reply.body)


async def finish(api: Api, import_id: str) -> dict[str, Any]:
    keeper = ImportKeeper(api.deployment)
    while await keeper.step() == 0:
        pass
    found = await progress(api, import_id)
    assert found["state"] == "done" and found["ended_ms"] is not None
    return found


async def skus(api: Api) -> dict[str, dict[str, Any]]:
    page = (await api.get("/v1/admin/skus?limit=100", by=api.viewer)).body["skus"]
    return {one["code"]: one for one in page}


@on_both_in_soak
async def test_good_rows_go_in_and_bad_ones_come_back_with_their_reasons(api: Api) -> None:
    # given a table with three good and seven bad rows
    made = await send(api, xlsx([HEADER, *GOOD, *BAD]))
    assert made.status == 202, made.body
    import_id = made.body["import_id"]
    assert (made.body["rows"], made.body["done"], made.body["state"]) == (10, 0, "waiting")
    # when the keeper has done it
    found = await finish(api, import_id)
    # then the good ones are goods, with their stock
    assert (found["done"], found["good"], found["bad"]) == (10, 3, 7)
    there = await skus(api)
    assert set(there) == {"P1-L", "P1-M", "C1"}
    assert (there["P1-L"]["price_fen"], there["P1-M"]["price_fen"]) == (9_900, 8_950)
    assert (there["P1-L"]["on_hand"], there["C1"]["keeps_stock"]) == (10, False)
    assert there["P1-L"]["product_id"] == there["P1-M"]["product_id"]
    moves = (await api.get("/v1/admin/stock-moves", by=api.viewer)).body["moves"]
    assert sorted(move["units"] for move in moves) == [5, 10]
    # and the bad ones come back as a file, with a reason each, and no formula
    back = await api.get(f"/v1/admin/imports/{import_id}/bad-rows", by=api.viewer)
    assert back.headers["Content-Disposition"].startswith("attachment")
    rows = list(csv.reader(io.StringIO(back.raw.decode("utf-8-sig"))))
    assert rows[0] == [*HEADER, "reason"]
    reasons = [row[-1] for row in rows[1:]]
    for said, reason in zip(
        ("title", "free", "1.005", "C1", "龙井", "category", "sku_code"), reasons, strict=True
    ):
        assert said in reason, reasons
    assert rows[-1][0] == "'=cmd()"
    listed = await api.get(f"/v1/admin/imports/{import_id}/rows?state=bad&limit=1", by=api.viewer)
    assert (listed.body["rows"][0]["row"], listed.body["next"]) == (5, 5)
    # when one of them is corrected, the file goes in as it is
    rows[1][0] = "Corrected"
    target = io.StringIO()
    csv.writer(target).writerows(rows)
    again = await send(api, target.getvalue().encode())
    found = await finish(api, again.body["import_id"])
    assert (found["good"], found["bad"]) == (1, 6)
    assert "B1" in await skus(api)


async def test_a_file_that_is_sent_twice_is_one_import(api: Api) -> None:
    raw = table(GOOD)
    first = await send(api, raw, Idempotency_Key="k")
    again = await send(api, raw, Idempotency_Key="k")
    other = await send(api, table(BAD), Idempotency_Key="k")
    assert (first.status, again.status) == (202, 200)
    assert first.body["import_id"] == again.body["import_id"]
    assert (other.status, other.code) == (422, "idempotency_conflict")
    await finish(api, first.body["import_id"])
    # and without a key the same goods are there already: nothing comes twice
    third = await send(api, raw)
    found = await finish(api, third.body["import_id"])
    assert (found["good"], found["bad"]) == (0, 3)
    assert len(await skus(api)) == 3
    page = (await api.get("/v1/admin/imports?limit=1", by=api.viewer)).body
    assert [one["import_id"] for one in page["imports"]] == [third.body["import_id"]]


@on_both_in_soak
async def test_rows_go_in_once_under_keepers_that_are_killed(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given forty rows, and keepers that die in the middle of a row: before or after its commit
    rows = [[f"x {n}", f"P{n % 7}", f"S{n}", 1, 2, "", "", ""] for n in range(40)]
    rows = [[f"title {row[1]}", *row[1:]] for row in rows]
    import_id = (await send(api, table(rows))).body["import_id"]
    put_in = import_keeper._put_in
    calls = 0

    async def deadly(*args: Any) -> Any:
        nonlocal calls
        calls += 1
        found = await put_in(*args)
        if calls % 3 == 0:
            raise asyncio.CancelledError  # all of the row is rolled back
        return found

    monkeypatch.setattr(import_keeper, "_put_in", deadly)
    # when two keepers work at the same time, and are started again whenever they die
    for _ in range(60):
        keepers = [ImportKeeper(api.deployment) for _ in range(2)]
        tasks = [asyncio.ensure_future(keeper.step()) for keeper in keepers]
        await asyncio.wait(tasks)
        if (await progress(api, import_id))["state"] == "done":
            break
    # then each row is in once, with its units
    found = await progress(api, import_id)
    assert (found["state"], found["good"], found["bad"]) == ("done", 40, 0)
    there = await skus(api)
    assert len(there) == 40
    assert {one["on_hand"] for one in there.values()} == {2}
    assert len({one["product_id"] for one in there.values()}) == 7


async def test_what_the_whole_file_is_refused_for(api: Api) -> None:
    for raw, code, said in (
        (b"title,price,colour\nx,1,y\n", "file_header", "colour"),
        (b"title\nx\n", "file_header", "price"),
        ("标题,title,price\nx,y,1\n".encode(), "file_header", "title"),
        (b"\xff\xfet\x00", "file_encoding", "UTF-16"),
    ):
        refused = await send(api, raw)
        assert refused.code == code
        assert said in refused.body["detail"]
    assert (await api.get("/v1/admin/imports", by=api.viewer)).body["imports"] == []
    large = await send(api, bytes((10 << 20) + 5_000))
    assert (large.status, large.code) == (413, "body_too_large")


async def test_an_export_can_be_imported_and_has_no_formula(api: Api) -> None:
    made = await api.post(
        "/v1/admin/products",
        {
            "title": "@Tea",
            "code": "P1",
            "attributes": [{"name": "产地", "value": "=杭州"}],
            "skus": [{"title": "-1", "price_fen": 5, "code": "S1", "keeps_stock": True}],
        },
        by=api.boss,
    )
    sku_id = made.body["skus"][0]["sku_id"]
    body = {"kind": "received", "units": 3, "note": "+cmd|x"}
    await api.post(f"/v1/admin/skus/{sku_id}/moves", body, by=api.boss)
    goods = await api.get("/v1/admin/exports/goods", by=api.viewer)
    text = goods.raw.decode("utf-8-sig")
    assert "'@Tea" in text and "'-1" in text and "0.05" in text
    assert read(goods.raw).rows[0].cells[:4] == ["P1", "@Tea", "S1", "-1"]
    moves = await api.get("/v1/admin/exports/stock-moves", by=api.viewer)
    assert "'+cmd|x" in moves.raw.decode()
    assert (await send(api, goods.raw)).status == 202


async def test_the_keeper_finds_imports_by_itself(api: Api) -> None:
    async with running(ImportKeeper(api.deployment)):
        import_id = (await send(api, table(GOOD))).body["import_id"]

        async def done() -> bool:
            return bool((await progress(api, import_id))["state"] == "done")

        await until(done)
