"""What becomes of a refund: every state, every word of the gateway, every order of both."""

from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import insert, select, update

from livesale.database import engine as database
from livesale.database import schema
from livesale.ledger import refund_states, refunds
from livesale.ledger.refund_states import ACCEPTED, AFTER, ANSWERS, DUE, FAILED, REFUNDED, SENT
from livesale.ledger.refunds import Paid
from livesale.ledger.writer import Writer
from livesale.payments.gateway import RefundState
from livesale.payments.refund_sender import ASK_LONGEST_MS, RefundSender
from livesale.payments.refunds import Refunds
from livesale.telemetry.workers import KeeperMetrics
from livesale.validation.refusals import RefundRefused
from tests.livesale.payments.shop import Shop, gateway_of
from tests.livesale.payments.test_lost_money import due_refund, refund_of
from tests.livesale.stage import running, until_written

PATH = "/v1/payments/wechat/notify/refund"
NOW_MS = 1_000_000

# Written out a second time, pair by pair, so that a change of the table is meant.
PAIRS = {
    (DUE, ACCEPTED): ACCEPTED,
    (DUE, REFUNDED): REFUNDED,
    (DUE, FAILED): FAILED,
    (SENT, ACCEPTED): ACCEPTED,
    (SENT, REFUNDED): REFUNDED,
    (SENT, FAILED): FAILED,
    (ACCEPTED, ACCEPTED): ACCEPTED,
    (ACCEPTED, REFUNDED): REFUNDED,
    (ACCEPTED, FAILED): FAILED,
    (REFUNDED, ACCEPTED): REFUNDED,
    (REFUNDED, REFUNDED): REFUNDED,
    (REFUNDED, FAILED): ACCEPTED,  # and asked for at once
    (FAILED, ACCEPTED): ACCEPTED,
    (FAILED, REFUNDED): REFUNDED,
    (FAILED, FAILED): FAILED,
}


def test_the_table_has_every_pair() -> None:
    # given the states and answers there are, then each pair has one outcome
    assert {(s, a): after for s, row in AFTER.items() for a, after in row.items()} == PAIRS
    assert set(ANSWERS) == {state.value for state in RefundState}
    assert set(AFTER) == set(refund_states.STATES)


async def test_each_pair_in_sql(sqlite_url: str, tmp_path: Path) -> None:
    # given a refund in each state, for each answer
    engine = database.connect(sqlite_url, tmp_path)
    await schema.migrate(engine)
    for state, answer in PAIRS:
        number = f"{state}-{answer}"
        paid = Paid(f"pay-{number}", f"order-{number}", 100, "sold")
        async with database.transaction(engine) as connection:
            row = {name: getattr(paid, name) for name in Paid.__struct_fields__}
            await connection.execute(insert(refunds.payments), row | {"created_ms": 1})
            await refunds.add_refund(connection, paid, number, refunds.OPERATOR, "", 1)
            await connection.execute(
                update(refunds.refunds)
                .where(refunds.refunds.c.refund_no == number)
                .values(state=state, next_ms=NOW_MS + 5_000, tries=3)
            )
            # when the gateway says so
            moved = await refunds.move_refund(
                connection, number, answer, NOW_MS, next_ms=NOW_MS + 9_000
            )
        # then it is in the state of the table, and who called it is told only of a change
        async with database.transaction(engine, write=False) as connection:
            found = await refunds.find_refund(connection, number)
            due = await refunds.due_refunds(connection, NOW_MS, 100)
        assert found is not None
        after = PAIRS[state, answer]
        assert (found.state, moved) == (after, after if after != state else None), number
        # and only a word against what was certain is looked into at once
        assert (number in [refund.refund_no for refund in due]) == (number == "refunded-failed")
        async with database.transaction(engine) as connection:
            await connection.execute(refunds.refunds.delete())
    await engine.dispose()


async def hear(shop: Shop, status: str) -> int:
    """A signed callback of the one refund, with this status; what it was answered."""
    number = (await refund_of(shop))["refund_no"]
    order, refund = shop.twin._find_refund(number)
    now, refund["status"] = refund["status"], status
    callback = shop.twin.refund_callback(order, number)
    refund["status"] = now  # what the gateway says when it is asked
    return (await shop.notify(callback, PATH)).status


@pytest.fixture
async def sender(shop: Shop) -> Any:
    """A keeper's part that sends refunds, and one that the gateway has taken on."""
    gateway = gateway_of(shop.stage)
    async with gateway.running():
        sender = RefundSender(shop.stage, gateway, KeeperMetrics(CollectorRegistry()))
        async with running(Writer(shop.stage)):
            await due_refund(shop)
        await sender.step()
        yield sender


async def told(shop: Shop, *statuses: str) -> str:
    """The state after these callbacks."""
    for status in statuses:
        assert await hear(shop, status) == 200
    return str((await refund_of(shop))["state"])


@pytest.mark.parametrize(
    ("statuses", "state"),
    [
        (("ABNORMAL", "SUCCESS"), "refunded"),
        (("CLOSED", "SUCCESS"), "refunded"),
        (("ABNORMAL", "ABNORMAL", "SUCCESS", "SUCCESS"), "refunded"),
        (("SUCCESS", "SUCCESS"), "refunded"),
        (("ABNORMAL", "CLOSED"), "failed"),
    ],
)
async def test_callbacks_in_order(
    shop: Shop, sender: RefundSender, statuses: tuple[str, ...], state: str
) -> None:
    # given a refund that was taken on, when its callbacks come, then the last word stands
    assert await told(shop, *statuses) == state
    found = await refund_of(shop)
    assert found["last_error"] == ("" if state == "refunded" else statuses[-1])


@pytest.mark.parametrize(("truth", "state"), [("SUCCESS", "refunded"), ("ABNORMAL", "failed")])
async def test_a_word_against_what_was_certain_is_looked_into(
    shop: Shop, sender: RefundSender, truth: str, state: str
) -> None:
    # given money that is back, when a callback says that it is not: replayed, late, or true
    shop.twin.silent = True
    shop.twin.end_refund((await refund_of(shop))["refund_no"], truth)
    assert await told(shop, "SUCCESS", "ABNORMAL") == "accepted"
    # then the gateway is asked at once, and its word of that time stands
    assert await sender.step() == 1
    assert (await refund_of(shop))["state"] == state


async def test_an_old_word_that_comes_twice_is_looked_into(
    shop: Shop, sender: RefundSender
) -> None:
    # given money that is back, when an old callback comes twice before the gateway is asked
    shop.twin.silent = True
    shop.twin.end_refund((await refund_of(shop))["refund_no"], "SUCCESS")
    await told(shop, "SUCCESS", "ABNORMAL", "ABNORMAL")
    # then the gateway is asked at once all the same, and its word stands
    assert await sender.step() == 1
    assert (await refund_of(shop))["state"] == "refunded"
    assert await sender.step() == 0


async def test_a_failed_refund_that_somebody_acted_on_is_found_without_a_callback(
    shop: Shop, sender: RefundSender
) -> None:
    # given a refund that failed
    assert await told(shop, "ABNORMAL") == "failed"
    posts = shop.twin.asked.count("POST /v3/refund/domestic/refunds")
    shop.twin.silent = True
    number = (await refund_of(shop))["refund_no"]
    shop.twin.end_refund(number, "ABNORMAL")
    # when the gateway says so too, then it is asked again hours later, and never sent again
    at_ms = database.now_ms()
    assert await sender.step(at_ms) == 1
    assert await sender.step(at_ms) == 0
    at_ms += ASK_LONGEST_MS + 1
    assert await sender.step(at_ms) == 1
    assert await sender.step(at_ms) == 0
    assert (await refund_of(shop))["state"] == "failed"
    # when somebody has acted on it at the gateway, and the callback was lost
    shop.twin.end_refund(number, "SUCCESS")
    assert await sender.step(at_ms + ASK_LONGEST_MS + 1) == 1
    # then it is found
    assert (await refund_of(shop))["state"] == "refunded"
    assert shop.twin.asked.count("POST /v3/refund/domestic/refunds") == posts


@pytest.mark.parametrize("state", refund_states.STATES)
async def test_an_operator_orders_no_second_refund_in_any_state(shop: Shop, state: str) -> None:
    # given a sold order with a refund in this state
    async with running(Writer(shop.stage)):
        shop.twin.silent = True
        rid = await shop.begin(await shop.api.open_drop())
        shop.twin.pay(rid)
        assert (await shop.notify(shop.twin.payment_callback(rid))).status == 200
        await until_written(shop.stage)
    use_case = Refunds(shop.stage)
    await use_case.order(rid, "broken")
    async with database.transaction(shop.stage.sql) as connection:
        await connection.execute(update(refunds.refunds).values(state=state))
    # when an operator orders another, then that is refused, and the first one stays as it is
    with pytest.raises(RefundRefused) as caught:
        await use_case.order(rid, "again")
    assert caught.value.code == "already_refunded"
    async with database.transaction(shop.stage.sql, write=False) as connection:
        rows = (await connection.execute(select(refunds.refunds.c.state))).all()
    assert rows == [(state,)]


async def test_a_failed_refund_is_sent_again_by_its_number(
    shop: Shop, sender: RefundSender
) -> None:
    # given a refund that the bank could not pay
    assert await told(shop, "ABNORMAL") == "failed"
    number = (await refund_of(shop))["refund_no"]
    path = f"/v1/admin/refunds/{number}/retry"
    # when a seller sends it again, then that is refused: it is money
    seller = shop.api.signer.operator("sam", ["sale"])
    assert (await shop.api.post(path, by=seller)).code == "forbidden"
    # when somebody of finance does, twice
    finance = shop.api.signer.operator("fay", ["finance"])
    for _ in range(2):
        again = await shop.api.post(path, by=finance)
        assert (again.status, again.body["state"], again.body["tries"]) == (200, "due", 0)
    # then the keeper sends it at once, by the same number, and the gateway pays it once
    shop.twin._find_refund(number)[1]["status"] = "SUCCESS"
    await sender.step()
    assert (await refund_of(shop))["state"] == "refunded"
    # and what the gateway has taken on is not sent again
    assert (await shop.api.post(path, by=finance)).code == "refund_settled"
    nobody = await shop.api.post("/v1/admin/refunds/r0/retry", by=finance)
    assert nobody.code == "unknown_refund"
