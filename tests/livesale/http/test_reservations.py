"""POST /v1/drops/{id}/reservations, GET and DELETE /v1/reservations/{id}."""

import asyncio

from tests.livesale.http.api import FAR_MS, Api


async def test_reserving_answers_201_with_the_contract_fields(api: Api) -> None:
    # given
    drop_id = await api.open_drop(hold_ms=60_000)
    before_ms = await api.deployment.engine.now_ms()
    # when
    reply = await api.reserve(drop_id, quantity=2)
    # then
    body = reply.body
    assert reply.status == 201
    assert before_ms + 60_000 <= body.pop("expires_ms") <= before_ms + 70_000
    assert body.pop("reservation_id") == body.pop("order_id")
    assert body == {
        "drop_id": drop_id,
        "status": "held",
        "quantity": 2,
        "amount_fen": 3_980,
        "remaining": 8,
    }
