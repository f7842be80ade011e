"""Callbacks: what is forged, altered, stale or not for us changes nothing and is told no."""

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from sqlalchemy import select

from livesale.database import engine as database
from livesale.ledger.tables import payments, refunds
from livesale.ledger.writer import Writer
from livesale.payments.tables import prepays
from tests.livesale.payments.shop import APPID, MCHID, Shop, open_shop
from tests.livesale.stage import running, until_written
from tests.servers import Valkey
from tests.twins.wechat_pay import Callback, probe
from tests.twins.wechat_pay_crypto import rsa_key, sign, write_certificate, write_public

HEADERS = ["Wechatpay-Timestamp", "Wechatpay-Nonce", "Wechatpay-Signature", "Wechatpay-Serial"]
GONE = object()


async def paid_in_silence(shop: Shop, name: str = "ann", **terms: Any) -> tuple[str, str]:
    """An order that is paid, of which nobody was told."""
    shop.twin.silent = True
    drop_id = await shop.api.open_drop(**terms)
    rid = await shop.begin(drop_id, name)
    shop.twin.pay(rid)
    return drop_id, rid


async def everything(shop: Shop, drop_id: str, rid: str) -> Any:
    """Both stores, as far as this order goes."""
    async with database.snapshot(shop.stage.sql) as connection:
        tables = (payments, refunds, prepays)
        rows = [(await connection.execute(select(table))).all() for table in tables]
    return await shop.api.books(drop_id), await shop.stage.engine.reservation(rid), rows


async def refuse(shop: Shop, drop_id: str, rid: str, callback: Callback, why: Any = "") -> None:
    before = await everything(shop, drop_id, rid)
    reply = await shop.notify(callback)
    assert (reply.status, reply.code) == (403, "callback_refused"), why
    assert "detail" not in reply.body, why  # a stranger does not learn what was wrong
    assert await everything(shop, drop_id, rid) == before, why


async def take_in(shop: Shop, rid: str, callback: Callback) -> None:
    reply = await shop.notify(callback)
    assert (reply.status, reply.body) == (200, {"code": "SUCCESS"})
    reservation = await shop.stage.engine.reservation(rid)
    assert reservation is not None
    assert reservation.paid_by == shop.twin.orders[rid].transaction_id


async def test_a_callback_sells(shop: Shop) -> None:
    drop_id, rid = await paid_in_silence(shop)
    await take_in(shop, rid, shop.twin.payment_callback(rid))
    assert (await shop.api.books(drop_id))["redis"]["sold"] == 1
    async with database.snapshot(shop.stage.sql) as connection:
        assert await connection.scalar(select(prepays.c.state)) == "paid"


async def test_every_header_dropped_doubled_or_emptied(shop: Shop) -> None:
    drop_id, rid = await paid_in_silence(shop)
    headers, raw = shop.twin.payment_callback(rid)
    for name in HEADERS:
        kept = {key: value for key, value in headers.items() if key != name}
        await refuse(shop, drop_id, rid, (kept, raw), name)
        await refuse(shop, drop_id, rid, (headers | {name: ""}, raw), name)
        await refuse(shop, drop_id, rid, (headers | {name: headers[name] + "0"}, raw), name)
    await take_in(shop, rid, (headers, raw))


async def test_every_byte_of_the_body_is_signed(shop: Shop) -> None:
    drop_id, rid = await paid_in_silence(shop)
    headers, raw = shop.twin.payment_callback(rid)
    for altered in (raw + b" ", raw[:-1], b"", b"{}", raw.replace(b'"id"', b'"ID"'), raw[::-1]):
        await refuse(shop, drop_id, rid, (headers, altered))
    same = json.dumps(json.loads(raw)).encode()  # the same JSON in other bytes
    assert same != raw
    await refuse(shop, drop_id, rid, (headers, same))


@pytest.mark.parametrize(
    ("skew_s", "good"), [(-290, True), (290, True), (-302, False), (302, False)]
)
async def test_only_within_five_minutes(shop: Shop, skew_s: int, good: bool) -> None:
    drop_id, rid = await paid_in_silence(shop)
    now_s = shop.twin.now_s
    shop.twin.now_s = lambda: now_s() + skew_s
    callback = shop.twin.payment_callback(rid)
    if good:
        await take_in(shop, rid, callback)
    else:
        await refuse(shop, drop_id, rid, callback)


@pytest.mark.parametrize("timestamp", ["x", "-1", "1e9", "٣", "9" * 30, "0x10", "1.5"])
async def test_times_that_are_none(shop: Shop, timestamp: str) -> None:
    # given a timestamp that is signed, and no number of seconds
    drop_id, rid = await paid_in_silence(shop)
    headers, raw = shop.twin.payment_callback(rid)
    if not timestamp.isascii():
        timestamp = timestamp.encode().decode("latin-1")
    headers |= {
        "Wechatpay-Timestamp": timestamp,
        "Wechatpay-Signature": sign(
            shop.twin.platform, timestamp, headers["Wechatpay-Nonce"], body=raw
        ),
    }
    await refuse(shop, drop_id, rid, (headers, raw))


async def test_a_probe_and_other_forgeries(shop: Shop) -> None:
    drop_id, rid = await paid_in_silence(shop)
    callback = shop.twin.payment_callback(rid)
    await refuse(shop, drop_id, rid, probe(callback), "probe")
    headers, raw = callback
    for name, value in (
        ("Wechatpay-Signature", "not base64!"),
        ("Wechatpay-Signature", base64.b64encode(b"x" * 256).decode()),
        ("Wechatpay-Serial", "PUB_KEY_ID_0000000000000000000000000000"),
        ("Wechatpay-Serial", shop.twin.serial_no),  # the merchant's own
    ):
        await refuse(shop, drop_id, rid, (headers | {name: value}, raw), value)
    # when another key signs, under the id of the right one
    shop.twin.platform = rsa_key("nobody")
    await refuse(shop, drop_id, rid, shop.twin.signed(raw), "another key")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("event_type", "REFUND.SUCCESS"),
        ("event_type", "transaction.success"),
        ("event_type", None),
        ("resource_type", "plain-resource"),
        ("resource_type", None),
        ("resource", None),
        ("resource", {}),
        ("id", None),
        ("id", 7),
    ],
)
async def test_envelopes(shop: Shop, field: str, value: Any) -> None:
    # given an envelope that WeChat would sign, but not send
    drop_id, rid = await paid_in_silence(shop)
    content = shop.twin.transaction(rid)
    callback = shop.twin.callback("TRANSACTION.SUCCESS", "transaction", content, **{field: value})
    await refuse(shop, drop_id, rid, callback)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("algorithm", "AEAD_AES_128_GCM"),
        ("algorithm", None),
        ("original_type", "refund"),
        ("original_type", None),
        ("nonce", "short"),
        ("nonce", "0" * 12),
        ("nonce", None),
        ("associated_data", "Transaction"),
        ("associated_data", None),
        ("ciphertext", ""),
        ("ciphertext", "****"),
        ("ciphertext", "AAAA"),
        ("ciphertext", None),
    ],
)
async def test_resources(shop: Shop, field: str, value: Any) -> None:
    drop_id, rid = await paid_in_silence(shop)
    _, raw = shop.twin.payment_callback(rid)
    envelope = json.loads(raw)
    envelope["resource"][field] = value
    if value is None:
        del envelope["resource"][field]
    await refuse(shop, drop_id, rid, shop.twin.signed(json.dumps(envelope).encode()))


FIELDS: list[tuple[str, list[Any]]] = [
    ("appid", [GONE, None, "", APPID[:-1], APPID + "0", APPID.upper()]),
    ("mchid", [GONE, None, "", MCHID[:-1], MCHID + "0", int(MCHID)]),
    ("out_trade_no", [GONE, None, "", "x", "'; drop table payments; --", "a" * 30]),
    ("trade_state", [GONE, None, "", "success", "REFUND", "NOTPAY", "CLOSED", "USERPAYING"]),
    ("trade_type", [GONE, None, "NATIVE", "jsapi"]),
    ("transaction_id", [GONE, None, "", "4" * 33, "42-00", "4200|0", 42]),
    ("payer", [GONE, None, {}, {"openid": ""}, {"openid": "o-bob"}, {"openid": "O-ANN"}]),
    ("amount", [GONE, None, {}, {"total": 1_990}, {"currency": "CNY"}]),
    ("amount.total", [GONE, None, 0, -1_990, 1_989, 1_991, "1990", 1990.5, 10**30]),
    ("amount.currency", [GONE, None, "", "cny", "USD", "CNY "]),
]


@pytest.mark.parametrize(("field", "values"), FIELDS, ids=[field for field, _ in FIELDS])
async def test_every_field_is_compared(shop: Shop, field: str, values: list[Any]) -> None:
    # given a callback that is signed and sealed as it should be, but for one field of it
    drop_id, rid = await paid_in_silence(shop)
    for value in values:
        content: Any = shop.twin.transaction(rid)
        place, _, name = field.rpartition(".")
        inside = content[place] if place else content
        if value is GONE:
            del inside[name]
        else:
            inside[name] = value
        callback = shop.twin.callback("TRANSACTION.SUCCESS", "transaction", content)
        # when it comes, then it is refused
        await refuse(shop, drop_id, rid, callback, value)
    await take_in(shop, rid, shop.twin.payment_callback(rid))


@pytest.mark.parametrize("plain", [b"", b"null", b"[]", b"{", b"\xff", b"[" * 9_000])
async def test_contents_that_are_no_transaction(shop: Shop, plain: bytes) -> None:
    drop_id, rid = await paid_in_silence(shop)
    callback = shop.twin.callback("TRANSACTION.SUCCESS", "transaction", plain)
    await refuse(shop, drop_id, rid, callback)


async def test_the_same_body_a_hundred_times_at_once(shop: Shop) -> None:
    drop_id, rid = await paid_in_silence(shop)
    callback = shop.twin.payment_callback(rid)
    async with running(Writer(shop.stage)):
        replies = await asyncio.gather(*(shop.notify(callback) for _ in range(100)))
        await until_written(shop.stage)
    assert {reply.status for reply in replies} == {200}
    books, reservation, (paid, due, _) = await everything(shop, drop_id, rid)
    assert (books["redis"]["sold"], books["ok"], len(paid), len(due)) == (1, True, 1, 0)
    assert reservation is not None
    assert reservation.refunds == ()


async def test_a_callback_of_another_order_pays_for_that_one_only(shop: Shop) -> None:
    # given two buyers' orders, both paid
    drop_id, anns = await paid_in_silence(shop)
    bobs = await shop.begin(drop_id, "bob")
    shop.twin.pay(bobs)
    # when what ann paid is said to be for bob's order
    content = shop.twin.transaction(anns) | {"out_trade_no": bobs}
    callback = shop.twin.callback("TRANSACTION.SUCCESS", "transaction", content)
    # then it is refused, and each pays for its own
    await refuse(shop, drop_id, bobs, callback)
    await take_in(shop, anns, shop.twin.payment_callback(anns))
    await take_in(shop, bobs, shop.twin.payment_callback(bobs))


async def test_money_for_an_order_that_nobody_knows_goes_back(shop: Shop) -> None:
    # given money for a reservation that is not there
    drop_id, rid = await paid_in_silence(shop)
    stranger = f"{drop_id}-0123456789abcdef"
    content = shop.twin.transaction(rid) | {"out_trade_no": stranger}
    callback = shop.twin.callback("TRANSACTION.SUCCESS", "transaction", content)
    # when it is told, ten times at once
    replies = await asyncio.gather(*(shop.notify(callback) for _ in range(10)))
    # then it is not dropped, and goes back once
    assert {reply.status for reply in replies} == {200}
    found = (await shop.api.get("/v1/admin/refunds", by=shop.api.viewer)).body["refunds"]
    assert [(r["order_id"], r["payment_id"], r["amount_fen"], r["reason"]) for r in found] == [
        (stranger, shop.twin.orders[rid].transaction_id, 1_990, "unknown_order")
    ]


async def test_other_methods_and_bodies_too_large(shop: Shop) -> None:
    _, rid = await paid_in_silence(shop)
    headers, _ = shop.twin.payment_callback(rid)
    assert (await shop.notify((headers, b"x" * 20_000))).code == "body_too_large"
    assert (await shop.api.get("/v1/payments/wechat/notify")).code == "method_not_allowed"
    reply = await shop.api.post(f"/v1/payments/simulated/{rid}", {"outcome": "paid"})
    assert (reply.status, reply.code) == (404, "gateway_off")


async def test_keys_are_rotated_without_a_gap(
    redis: Redis, redis_server: Valkey, sqlite_url: str, tmp_path: Path
) -> None:
    # given a service that knows three keys of WeChat, one by its certificate, and two APIv3 keys
    more = {
        "more_public_keys": {
            "PUB_KEY_ID_NEXT": write_public(rsa_key("next"), tmp_path / "next.pem"),
            "7132D72A03E93CDDF8C03BBD1F37EEDF": write_certificate(
                rsa_key("certified"), tmp_path / "cert.pem"
            ),
        },
        "old_api_v3_key": "the key that was there before it",
    }
    async with open_shop(redis, redis_server.url, sqlite_url, tmp_path, wechatpay=more) as shop:
        twin = shop.twin
        for key, key_id, api_v3_key in (
            (twin.platform, twin.public_key_id, twin.api_v3_key),
            (rsa_key("next"), "PUB_KEY_ID_NEXT", more["old_api_v3_key"]),
            (rsa_key("certified"), "7132D72A03E93CDDF8C03BBD1F37EEDF", twin.api_v3_key),
        ):
            # when each of them signs and seals, answers as well as callbacks
            twin.platform, twin.public_key_id, twin.api_v3_key = key, key_id, str(api_v3_key)
            _, rid = await paid_in_silence(shop)
            # then all of it is believed
            await take_in(shop, rid, twin.payment_callback(rid))
        # and one key under the other's id is not
        drop_id, rid = await paid_in_silence(shop)
        twin.public_key_id = "PUB_KEY_ID_NEXT"
        await refuse(shop, drop_id, rid, twin.payment_callback(rid))


async def test_a_callback_while_redis_is_away_is_told_again(
    shop: Shop, redis_server: Valkey
) -> None:
    # given a callback that finds Redis gone
    _, rid = await paid_in_silence(shop)
    callback = shop.twin.payment_callback(rid)
    redis_server.kill()
    try:
        reply = await shop.notify(callback)
    finally:
        redis_server.start()
    assert reply.status == 503
    # when it is told again, then it sells
    await take_in(shop, rid, callback)
