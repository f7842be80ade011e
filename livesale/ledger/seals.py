"""Seals of finished drops: sums and hashes of a drop's rows in SQL.

A drop is sealed when it can no longer change in Redis, so that later audits need not read its rows
again. A seal covers the drop's terms, its line, books, orders, movements, payments, and refunds
without their progress at the gateway. Late payments and refunds by operators are still possible:
each write of such a row sets `books.sealed_ms` to NULL in the same transaction (UNSEALED), and the
keeper seals the drop again.

A keeper seals in three steps: it claims the drop, reads the rows in a snapshot, and seals if its
claim is still there. Every change clears the claim, so a seal never misses a change. If a keeper
dies in between, the next one replaces its claim.
"""

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from msgspec import Struct, structs
from sqlalchemy import (
    BigInteger,
    Column,
    Select,
    Table,
    case,
    cast,
    delete,
    func,
    insert,
    literal,
    null,
    select,
    update,
)
from sqlalchemy.dialects import mysql
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import String

from livesale.database.ranges import of_drops, portions
from livesale.ledger.line_tables import TABLES as LINE_TABLES
from livesale.ledger.line_tables import lines
from livesale.ledger.tables import books, drops, orders, payments, refunds, seals, stock_ledger
from stock.ids import drop_of, is_rid
from stock.model import HoldState

FORM = 1  # increment it with every change of the hashed content or the method
IDS_AT_ONCE = 1_000
UNSEALED: dict[str, Any] = {"sealed_ms": None, "seal_claim": ""}

_PAGE = 1_000  # rows in one page: few, because the keeper also ends holds meanwhile
_WORD = 15  # hex digits: 60 bits, which every database sums exactly
_MODULUS = 1 << 64
_Unsigned = BigInteger().with_variant(mysql.BIGINT(unsigned=True), "mysql", "mariadb")

# The other columns of these two tables may change after sealing: the progress of a refund, and the
# difficulty of tickets.
_TERMS = (
    *("drop_id", "campaign_id", "sku_id", "partition", "state", "price_fen", "allotted"),
    *("buyer_limit", "hold_ms", "expired_limit", "opens_ms", "closes_ms", "created_ms"),
    *("ticket_required", "room_id"),
)
# The columns that a seal covers: others may change after the sale.
_ORDER = (
    *("order_id", "drop_id", "buyer_id", "quantity", "price_fen", "amount_fen", "state"),
    *("expires_ms", "created_ms", "updated_ms"),
)
_PAYMENT = ("payment_id", "order_id", "amount_fen", "result", "created_ms")
_REFUND = ("refund_no", "payment_id", "order_id", "amount_fen", "reason", "note", "created_ms")


class Seal(Struct, frozen=True):
    """The columns of `seals`, without `sealed_ms`."""

    drop_id: str
    allotted: int
    available: int
    sold: int
    burned: int
    orders: int
    movements: int
    payments: int
    refunds: int
    ordered_fen: int
    paid_fen: int
    back_fen: int
    terms_hash: str
    orders_hash: str
    movements_hash: str
    payments_hash: str
    refunds_hash: str
    form: int = FORM


class _Part:
    """Sums over rows of one drop: their number, their money, and two words of each row's hash.

    A sum needs no order, so the database can compute it; no two rows are equal, because each
    includes its key.
    """

    def __init__(self, rows: int = 0, fen: int = 0, high: int = 0, low: int = 0) -> None:
        self.rows, self.fen, self.high, self.low = rows, fen, high, low

    def add(self, fen: int, text: str) -> None:
        digest = hashlib.sha256(text.encode()).hexdigest()
        self.rows += 1
        self.fen += fen
        self.high += int(digest[:_WORD], 16)
        self.low += int(digest[_WORD : 2 * _WORD], 16)

    def merge(self, other: "_Part") -> None:
        self.rows, self.fen = self.rows + other.rows, self.fen + other.fen
        self.high, self.low = self.high + other.high, self.low + other.low

    @property
    def digest(self) -> str:
        return f"{self.high % _MODULUS:016x}{self.low % _MODULUS:016x}"


AddUp = Callable[[AsyncConnection, Select[Any]], Awaitable[dict[str, _Part]]]


async def read_seals(connection: AsyncConnection, drop_ids: Sequence[str]) -> dict[str, Seal]:
    """The seals that these drops would get now; drops without a row or books are missing.

    Call it in one snapshot, so that a seal has one instant. At most 500 drops.
    """
    b = books.c
    query = (
        select(b.drop_id, b.allotted, b.available, b.sold, b.burned, _text(drops, _TERMS))
        .join(drops, drops.c.drop_id == b.drop_id)
        .where(b.drop_id.in_(drop_ids))
    )
    found = {row[0]: row for row in await connection.execute(query)}
    names = ("orders", "movements", "payments", "refunds")
    add_up: AddUp = _add_up_here if connection.dialect.name == "sqlite" else _add_up_there
    parts: dict[str, dict[str, _Part]] = {drop_id: {} for drop_id in found}
    for some in portions(sorted(found)):
        for name, rows in zip(names, _queries(some or ()), strict=True):
            for owner, part in (await add_up(connection, rows)).items():
                parts[owner][name] = part
    own = await _lines_of(connection, add_up, sorted(found))
    return {
        drop_id: _seal(
            tuple(row),
            own.get(drop_id) or _Part(),
            [parts[drop_id].get(name) or _Part() for name in names],
        )
        for drop_id, row in found.items()
    }


async def _lines_of(
    connection: AsyncConnection, add_up: AddUp, drop_ids: Sequence[str]
) -> dict[str, _Part]:
    """The sums over the rows of lines, by drop. Most drops have none."""
    query = select(lines.c.drop_id).where(lines.c.drop_id.in_(drop_ids))
    mine = (await connection.scalars(query)).all() if drop_ids else []
    found: dict[str, _Part] = {}
    for table in LINE_TABLES if mine else ():
        owner, body = table.c.drop_id, _text(table)
        rows = select(owner.label("owner"), literal(0).label("fen"), body.label("body"))
        for drop_id, part in (await add_up(connection, rows.where(owner.in_(mine)))).items():
            found.setdefault(drop_id, _Part()).merge(part)
    return found


def differences(seal: Seal, now: Seal) -> list[str]:
    """How a sealed drop differs from its seal, in words; empty if it does not."""
    if seal.form != now.form:
        return [f"the seal has the form {seal.form}, this version makes {now.form}"]
    found = []
    for name in ("allotted", "available", "sold", "burned"):
        was, is_now = getattr(seal, name), getattr(now, name)
        if was != is_now:
            found.append(f"books: {was} {name} when sealed, {is_now} now")
    if seal.terms_hash != now.terms_hash:
        found.append("terms, or the line: changed")
    money = {"orders": "ordered_fen", "payments": "paid_fen", "refunds": "back_fen"}
    for name in ("orders", "movements", "payments", "refunds"):
        if getattr(seal, f"{name}_hash") == getattr(now, f"{name}_hash"):
            continue
        was, is_now = getattr(seal, name), getattr(now, name)
        text = f"{was} rows when sealed, {is_now} now" if was != is_now else "a row was changed"
        sums = money.get(name)
        if sums and getattr(seal, sums) != getattr(now, sums):
            text += f", {getattr(seal, sums)} fen when sealed, {getattr(now, sums)} now"
        found.append(f"{name}: {text}")
    return found


async def claim(connection: AsyncConnection, drop_id: str, token: str) -> bool:
    """Claim a drop for sealing; False if it is sealed or has no books."""
    done = await connection.execute(
        update(books)
        .where(books.c.drop_id == drop_id, books.c.sealed_ms.is_(None))
        .values(seal_claim=token)
    )
    return done.rowcount == 1


async def put(connection: AsyncConnection, seal: Seal, token: str, at_ms: int) -> bool:
    """Seal a drop; False if a row changed or another keeper claimed it since the claim."""
    done = await connection.execute(
        update(books)
        .where(
            books.c.drop_id == seal.drop_id,
            books.c.sealed_ms.is_(None),
            books.c.seal_claim == token,
        )
        .values(sealed_ms=at_ms, seal_claim="")
    )
    if done.rowcount != 1:
        return False
    await connection.execute(delete(seals).where(seals.c.drop_id == seal.drop_id))
    await connection.execute(insert(seals), structs.asdict(seal) | {"sealed_ms": at_ms})
    return True


async def unseal_drop_of(connection: AsyncConnection, order_id: str) -> None:
    """Unseal this order's drop. Call it before adding a row, to keep the order of locks."""
    if is_rid(order_id):
        await connection.execute(
            update(books).where(books.c.drop_id == drop_of(order_id)).values(UNSEALED)
        )


async def unseal_recent(connection: AsyncConnection, partition: int, since_ms: int) -> None:
    """Unseal a partition's drops archived since `since_ms`, to archive and seal them again."""
    recent = select(drops.c.drop_id).where(
        drops.c.archived_ms >= since_ms, drops.c.partition == partition
    )
    # In two steps: MariaDB 10 would run the inner query for every drop that there ever was.
    found = (await connection.scalars(recent)).all()
    for first in range(0, len(found), IDS_AT_ONCE):
        ids = found[first : first + IDS_AT_ONCE]
        await connection.execute(update(books).where(books.c.drop_id.in_(ids)).values(UNSEALED))


async def stored_seals(connection: AsyncConnection, after: str, limit: int) -> list[Seal]:
    """The valid seals by drop id, after the id `after`."""
    columns = [seals.c[name] for name in Seal.__struct_fields__]
    query = (
        select(*columns)
        .join(books, books.c.drop_id == seals.c.drop_id)
        .where(seals.c.drop_id > after, books.c.sealed_ms == seals.c.sealed_ms)
        .order_by(seals.c.drop_id)
        .limit(limit)
    )
    return [Seal(*row) for row in await connection.execute(query)]


def _seal(row: tuple[Any, ...], own: _Part, parts: Sequence[_Part]) -> Seal:
    """`own` are the sums over the drop's line; the terms are added to them."""
    drop_id, allotted, available, sold, burned, terms = row
    own.add(0, terms)
    bought, moved, paid, back = parts
    return Seal(
        drop_id=drop_id,
        allotted=allotted,
        available=available,
        sold=sold,
        burned=burned,
        orders=bought.rows,
        movements=moved.rows,
        payments=paid.rows,
        refunds=back.rows,
        ordered_fen=bought.fen,
        paid_fen=paid.fen,
        back_fen=back.fen,
        terms_hash=own.digest,
        orders_hash=bought.digest,
        movements_hash=moved.digest,
        payments_hash=paid.digest,
        refunds_hash=back.digest,
    )


def _queries(drop_ids: Sequence[str]) -> list[Select[Any]]:
    """(order or drop, fen, text) of each row of these drops."""
    order, moved, paid, back = orders.c, stock_ledger.c, payments.c, refunds.c
    sold_fen = case((order.state == HoldState.SOLD, order.amount_fen), else_=0)
    queries = [
        (order.order_id, sold_fen, orders, _ORDER, of_drops(order.order_id, drop_ids)),
        (moved.drop_id, literal(0), stock_ledger, None, moved.drop_id.in_(drop_ids)),
        (paid.order_id, paid.amount_fen, payments, _PAYMENT, of_drops(paid.order_id, drop_ids)),
        (back.order_id, back.amount_fen, refunds, _REFUND, of_drops(back.order_id, drop_ids)),
    ]
    return [
        select(owner.label("owner"), fen.label("fen"), _text(table, names).label("body")).where(
            mine
        )
        for owner, fen, table, names, mine in queries
    ]


async def _add_up_here(connection: AsyncConnection, query: Select[Any]) -> dict[str, _Part]:
    """Sums by drop, computed here: for SQLite, which runs in this process."""
    parts: dict[str, _Part] = {}
    async with connection.stream(query) as result:
        async for page in result.partitions(_PAGE):
            for owner, fen, text in page:
                parts.setdefault(owner.partition("-")[0], _Part()).add(fen, text)
    return parts


async def _add_up_there(connection: AsyncConnection, query: Select[Any]) -> dict[str, _Part]:
    """The same, computed by the server: it sends one row for each drop."""
    row = query.subquery().c
    owner, digest = func.substring_index(row.owner, "-", 1), func.sha2(row.body, 256)
    # The server hashes each row twice, once for each word: keeping the hash would need a temporary
    # table as large as the drop.
    words = [
        func.sum(cast(func.conv(func.substr(digest, start, _WORD), 16, 10), _Unsigned))
        for start in (1, 1 + _WORD)
    ]
    sums = select(owner.label("drop_id"), func.count(), func.sum(row.fen), *words)
    found = await connection.execute(sums.group_by("drop_id").order_by(null()))
    return {drop_id: _Part(*map(int, counts)) for drop_id, *counts in found}


class _Bytes(FunctionElement[int]):
    """The length of a text in bytes."""

    type = BigInteger()
    inherit_cache = True


@compiles(_Bytes)
def _length(element: Any, compiler: Any, **options: Any) -> str:
    return f"length({compiler.process(element.clauses, **options)})"


@compiles(_Bytes, "sqlite")
def _length_on_sqlite(element: Any, compiler: Any, **options: Any) -> str:
    return f"length(CAST({compiler.process(element.clauses, **options)} AS BLOB))"


class _Joined(FunctionElement[str]):
    """Its arguments joined by `|`."""

    type = String()
    inherit_cache = True


@compiles(_Joined)
def _concat(element: Any, compiler: Any, **options: Any) -> str:
    parts = ", ".join(compiler.process(part, **options) for part in element.clauses)
    return f"concat_ws('|', {parts})"


@compiles(_Joined, "sqlite")
def _concat_on_sqlite(element: Any, compiler: Any, **options: Any) -> str:
    between = " || '|' || "
    return f"({between.join(compiler.process(part, **options) for part in element.clauses)})"


def _text(table: Table, names: Sequence[str] | None = None) -> Any:
    """A row as one text, unique in its table and the same in every database.

    Each text follows its length (-1 for NULL), so no text can imitate a separator.
    """
    parts: list[Any] = []
    for name in names or table.c.keys():
        column: Column[Any] = table.c[name]
        if isinstance(column.type, String):
            parts += [func.coalesce(_Bytes(column), -1), func.coalesce(column, "")]
        else:
            parts.append(func.coalesce(column, -1) if column.nullable else column)
    return _Joined(*parts)
