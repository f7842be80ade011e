"""Drafts are changed and deleted while nothing hangs on them, and nobody overwrites another."""

import asyncio
from typing import Any

import msgspec

from livesale.resources import Deployment
from tests.livesale.api import FAR_MS, Api, Reply
from tests.livesale.stage import on_both


async def patch(api: Api, path: str, **body: Any) -> Reply:
    return await api.ask("PATCH", path, body, by=api.boss)


async def campaign(api: Api, title: str, **changes: Any) -> dict[str, Any]:
    body = {"title": title, "opens_ms": 0, "closes_ms": FAR_MS} | changes
    return dict((await api.post("/v1/admin/campaigns", body, by=api.boss)).body)


async def test_a_campaign_is_changed_by_version_and_deleted_when_it_is_empty(api: Api) -> None:
    # given a campaign, when two operators change what they both have read
    made = await campaign(api, "Tea")
    path = f"/v1/admin/campaigns/{made['campaign_id']}"
    first = await patch(api, path, version=1, title="Best tea")
    second = await patch(api, path, version=1, closes_ms=FAR_MS - 1)
    # then the second is refused, and overwrites nothing
    assert (first.body["title"], first.body["version"]) == ("Best tea", 2)
    assert (second.status, second.code) == (409, "version_conflict")
    # and an end before the beginning is, too; what is not named stays
    assert (await patch(api, path, version=2, closes_ms=FAR_MS, opens_ms=FAR_MS)).status == 422
    assert (await patch(api, path, version=2, closes_ms=FAR_MS - 1)).body["title"] == "Best tea"
    # and the record has both sides
    newest = (await api.get("/v1/admin/actions?limit=1", by=api.viewer)).body["actions"][0]
    sides = [msgspec.json.decode(newest[side]) for side in ("before", "after")]
    assert [side["closes_ms"] for side in sides] == [FAR_MS, FAR_MS - 1]
    # when it has a drop, then it cannot be deleted
    drop = await api.create_drop(campaign_id=made["campaign_id"])
    shown = (await api.get(path, by=api.viewer)).body
    assert shown["drops"] == {"draft": 1}
    used = await api.delete(path, by=api.boss)
    assert (used.status, used.code) == (409, "in_use")
    assert drop["drop_id"] in used.body["detail"]
    # and without one, by its version only
    assert (await api.delete(f"/v1/admin/drops/{drop['drop_id']}", by=api.boss)).status == 200
    assert (await api.delete(f"{path}?version=2", by=api.boss)).code == "version_conflict"
    assert (await api.delete(f"{path}?version=3", by=api.boss)).status == 200
    assert (await api.delete(path, by=api.boss)).code == "unknown_campaign"


async def test_a_draft_of_a_drop_is_changed_until_it_is_opened(api: Api) -> None:
    # given a draft
    made = await api.create_drop()
    path = f"/v1/admin/drops/{made['drop_id']}"
    # when its terms are changed
    reply = await patch(api, path, version=1, price_fen=500, allotted=7, hold_ms=60_000)
    # then it has them, and sells by them
    assert reply.status == 200, reply.body
    assert {**made, **reply.body} == reply.body
    assert (reply.body["price_fen"], reply.body["allotted"], reply.body["version"]) == (500, 7, 2)
    for body, code in (
        ({"version": 1, "price_fen": 1}, "version_conflict"),
        ({"version": 2, "hold_ms": 0}, "invalid_field"),
        ({"version": 2, "campaign_id": "nosuch"}, "invalid_field"),
        ({"version": 2, "sku_id": "nosuch"}, "invalid_field"),
        ({"version": 2, "opens_ms": FAR_MS}, "invalid_field"),
        ({"price_fen": 1}, "missing_field"),
    ):
        assert (await patch(api, path, **body)).code == code, body
    assert (await api.get(path, by=api.viewer)).body == reply.body
    assert (await api.post(f"{path}/open", by=api.boss)).status == 200
    held = await api.reserve(made["drop_id"])
    assert (held.body["amount_fen"], held.body["remaining"]) == (500, 6)
    # and is neither changed nor deleted any more
    assert (await patch(api, path, version=2, price_fen=1)).code == "drop_opened"
    assert (await api.delete(path, by=api.boss)).code == "drop_opened"
    assert (await patch(api, "/v1/admin/drops/nosuch", version=1)).code == "unknown_drop"


@on_both
async def test_of_changes_at_once_one_counts_and_a_drop_opens_with_whole_terms(
    api: Api, stage: Deployment
) -> None:
    for _ in range(3):
        # given a draft, when many change it, and one opens it, all at once
        drop_id = (await api.create_drop())["drop_id"]
        path = f"/v1/admin/drops/{drop_id}"
        prices = range(101, 109)
        *replies, opened = await asyncio.gather(
            *(patch(api, path, version=1, price_fen=fen, allotted=fen) for fen in prices),
            api.post(f"{path}/open", by=api.boss),
        )
        # then at most one change counts, and the drop has the terms of SQL
        assert opened.status == 200, opened.body
        done = [reply for reply in replies if reply.status == 200]
        codes = {reply.code for reply in replies if reply.status != 200}
        assert len(done) <= 1
        assert codes <= {"version_conflict", "drop_opened"}
        drop = (await api.get(path, by=api.viewer)).body
        books = await api.books(drop_id)
        snapshot = await stage.engine.snapshot(drop_id)
        assert snapshot is not None
        expected = (done[0].body["price_fen"],) * 2 if done else (1_990, 10)
        assert (drop["price_fen"], drop["allotted"]) == expected
        assert (snapshot.terms.price_fen, books["redis"]["allotted"]) == expected


async def test_what_operators_made_is_found_by_filters_page_by_page(api: Api) -> None:
    # given campaigns, and drops of three states
    now_ms = await api.deployment.engine.now_ms()
    coming = await campaign(api, "Winter 100%", opens_ms=now_ms + 3_600_000)
    over = await campaign(api, "Summer", closes_ms=now_ms - 1)
    running = await campaign(api, "winter tea")
    made = [await api.create_drop(campaign_id=running["campaign_id"]) for _ in range(3)]
    for drop in made[1:]:
        assert (await api.post(f"/v1/admin/drops/{drop['drop_id']}/open", by=api.boss)).status
    own = {one["campaign_id"] for one in (coming, over, running)}

    async def find(what: str, query: str) -> list[Any]:
        """Ids over all pages of one."""
        found, after = [], ""
        while True:
            path = f"/v1/admin/{what}s?limit=1&after={after}&{query}"
            page = (await api.get(path, by=api.viewer)).body
            found += [one[f"{what}_id"] for one in page[f"{what}s"]]
            if page["next"] is None:
                return found
            after = page["next"]

    for query, wanted in (
        ("times=coming", [coming]),
        ("times=over", [over]),
        ("times=coming,over", [over, coming]),
        ("q=WINTER", [running, coming]),
        ("q=100%25", [coming]),
        ("q=winter&times=running", [running]),
        ("q=nothing", []),
    ):
        found = [one for one in await find("campaign", query) if one in own]
        assert found == [one["campaign_id"] for one in wanted], query
    ids = [drop["drop_id"] for drop in made]
    for query, expected in (
        (f"campaign_id={running['campaign_id']}", [ids[2], ids[1], ids[0]]),
        ("states=draft", [ids[0]]),
        (f"sku_id={made[1]['sku_id']}", [ids[1]]),
        ("q=TEA", [ids[2], ids[1], ids[0]]),
        ("room_id=rnosuch", []),
        ("opens_since_ms=1", []),
        (f"opens_until_ms=1&sku_id={made[1]['sku_id']}", [ids[1]]),
    ):
        assert await find("drop", query) == expected, query
    assert (await api.get("/v1/admin/drops?states=odd", by=api.viewer)).code == "invalid_parameter"
    # and SKUs by words
    skus = (await api.get("/v1/admin/skus?q=tea&keeps_stock=false", by=api.viewer)).body["skus"]
    assert {one["sku_id"] for one in skus} >= {drop["sku_id"] for drop in made}
    assert not (await api.get("/v1/admin/skus?keeps_stock=true", by=api.viewer)).body["skus"]


async def test_a_draft_that_redis_has_is_left_alone(api: Api) -> None:
    # given a draft of SQL that Redis sold before, as after a restored backup
    drop_id = (await api.create_drop())["drop_id"]
    terms = (await api.create_drop())["drop_id"]
    await api.post(f"/v1/admin/drops/{terms}/open", by=api.boss)
    snapshot = await api.deployment.engine.snapshot(terms)
    assert snapshot is not None
    await api.deployment.engine.open_drop(drop_id, snapshot.terms)
    # then it is neither changed nor deleted
    path = f"/v1/admin/drops/{drop_id}"
    assert (await patch(api, path, version=1, price_fen=1)).code == "terms_conflict"
    assert (await api.delete(path, by=api.boss)).code == "terms_conflict"
