"""Creates a consistent history of finished drops inside MariaDB.

Every drop offered 100 units to 100 buyers: 70 paid, 20 released (one of them paid late and got a
refund), 10 expired. MariaDB's sequences make the rows, so a million orders take a minute.
"""

from msgspec import structs
from sqlalchemy import insert, text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from livesale.ledger.plan import refund_no_of
from livesale.ledger.seals import read_seals
from livesale.ledger.tables import books, drops, refunds, seals
from stock.keyspace import Keyspace

ORDERS = 100  # of a drop, and its units
SOLD, RELEASED = 70, 20
PRICE_FEN = 1_990
DAY_MS = 86_400_000
FIRST_MS = 1_750_000_000_000  # when the first drop opened; each next one is a second later
_AT_ONCE = 500

# `k` numbers the orders of a drop, `l` the movements of one: 0 its reservation, 1 its end.
_RID = "concat(d.drop_id, '-', lpad(k.seq, 16, '0'))"
_STATEMENTS = (
    """INSERT INTO orders (order_id, drop_id, buyer_id, quantity, price_fen, amount_fen, state,
          expires_ms, created_ms, updated_ms)
        SELECT RID, d.drop_id, concat('buyer-', k.seq, '-', d.created_ms % 97), 1, :price, :price,
          if(k.seq <= :sold, 'sold', if(k.seq <= :sold + :released, 'released', 'expired')),
          d.opens_ms + 600000, d.opens_ms + k.seq, d.opens_ms + 500 + k.seq
        FROM drops d JOIN seq_1_to_100 k WHERE d.drop_id BETWEEN :first AND :last""",
    """INSERT INTO stock_ledger (`partition`, log_ms, log_seq, `row`, drop_id, order_id, kind,
          available, held, sold, burned, at_ms)
        SELECT d.`partition`, d.opens_ms - 10, 0, 0, d.drop_id, NULL, 'open', d.allotted, 0, 0, 0,
          d.opens_ms - 10
        FROM drops d WHERE d.drop_id BETWEEN :first AND :last""",
    """INSERT INTO stock_ledger (`partition`, log_ms, log_seq, `row`, drop_id, order_id, kind,
          available, held, sold, burned, at_ms)
        SELECT d.`partition`, d.opens_ms + l.seq * 500 + k.seq, 0, 0, d.drop_id, RID,
          if(l.seq = 0, 'reserve', if(k.seq <= :sold, 'confirm',
            if(k.seq <= :sold + :released, 'release', 'expire'))),
          if(l.seq = 0, -1, if(k.seq <= :sold, 0, 1)), if(l.seq = 0, 1, -1),
          if(l.seq = 1 AND k.seq <= :sold, 1, 0), 0, d.opens_ms + l.seq * 500 + k.seq
        FROM drops d JOIN seq_1_to_100 k JOIN seq_0_to_1 l
        WHERE d.drop_id BETWEEN :first AND :last""",
    """INSERT INTO payments (payment_id, order_id, amount_fen, result, created_ms)
        SELECT concat('pay-', RID), RID, :price, if(k.seq <= :sold, 'sold', 'refund_due'),
          d.opens_ms + 500 + k.seq
        FROM drops d JOIN seq_1_to_100 k
        WHERE k.seq <= :sold + 1 AND d.drop_id BETWEEN :first AND :last""",
)


async def fill(sql: AsyncEngine, count: int, keyspace: Keyspace) -> None:
    """Make `count` drops that a version without seals archived a day ago."""
    for start in range(0, count, _AT_ONCE):
        numbers = range(start, min(count, start + _AT_ONCE))
        drop_ids = [f"0{number:012d}" for number in numbers]
        async with sql.begin() as connection:
            await connection.execute(
                insert(drops),
                [
                    _drop(drop_id, FIRST_MS + number * 1_000, keyspace)
                    for number, drop_id in zip(numbers, drop_ids, strict=True)
                ],
            )
            counters = {"allotted": ORDERS, "available": ORDERS - SOLD, "held": 0, "sold": SOLD}
            await connection.execute(
                insert(books),
                [{"drop_id": drop_id, **counters, "burned": 0} for drop_id in drop_ids],
            )
            values: dict[str, str | int] = {"first": drop_ids[0], "last": drop_ids[-1]}
            values |= {"price": PRICE_FEN, "sold": SOLD, "released": RELEASED}
            for statement in _STATEMENTS:
                await connection.execute(text(statement.replace("RID", _RID)), values)
            await connection.execute(insert(refunds), [_refund(drop_id) for drop_id in drop_ids])


async def seal(sql: AsyncEngine, count: int) -> None:
    """Seal the first of these drops, without a keeper."""
    for start in range(0, count, _AT_ONCE):
        drop_ids = [f"0{number:012d}" for number in range(start, min(count, start + _AT_ONCE))]
        async with sql.begin() as connection:
            found = await read_seals(connection, drop_ids)
            rows = [structs.asdict(one) | {"sealed_ms": FIRST_MS} for one in found.values()]
            await connection.execute(insert(seals), rows)
            await connection.execute(
                update(books).where(books.c.drop_id.in_(drop_ids)).values(sealed_ms=FIRST_MS)
            )


def _drop(drop_id: str, opens_ms: int, keyspace: Keyspace) -> dict[str, object]:
    return {
        "drop_id": drop_id,
        "campaign_id": "c1",
        "sku_id": "s1",
        "partition": keyspace.partition_of(drop_id),
        "state": "closed",
        "price_fen": PRICE_FEN,
        "allotted": ORDERS,
        "buyer_limit": 1,
        "hold_ms": 600_000,
        "expired_limit": 0,
        "opens_ms": opens_ms,
        "closes_ms": opens_ms + 3_600_000,
        "created_ms": opens_ms - 3_600_000,
        "archived_ms": opens_ms + DAY_MS,
    }


def _refund(drop_id: str) -> dict[str, object]:
    order_id = f"{drop_id}-{SOLD + 1:016d}"
    payment_id = f"pay-{order_id}"
    return {
        "refund_no": refund_no_of(payment_id),
        "payment_id": payment_id,
        "order_id": order_id,
        "amount_fen": PRICE_FEN,
        "state": "refunded",
        "reason": "too_late",
        "created_ms": FIRST_MS,
    }
