"""Use cases of files: orders to ship go out as csv, tracking numbers come in.

A row of a file has the effect of the call for one parcel, so the same file again changes nothing.
Good rows take effect; bad ones come back with their reason.
"""

from collections.abc import Sequence

from msgspec import Struct

from livesale.database.keyset import next_cursor
from livesale.database.session import session
from livesale.errors import LivesaleError
from livesale.orders.addresses.sealing import CannotOpen, Sealer
from livesale.orders.addresses.service import open_order_address
from livesale.orders.addresses.store import addresses_of
from livesale.orders.search import store
from livesale.orders.search.service import Wanted, filter_of
from livesale.orders.shipments.service import NewParcel, Shipments
from livesale.orders.shipments.store import ParcelState
from livesale.orders.stages import NAMES
from livesale.resources import Deployment
from livesale.spreadsheets.service import FileRefused, Spreadsheets
from livesale.spreadsheets.writing import Cell, write_csv
from livesale.validation.refusals import SalesFault
from stock.ids import is_rid

PAGE = 500  # orders of one csv
MAX_ROWS = 1_000  # of one file of tracking numbers
MAX_ERRORS = 1_000

_COLUMNS = (
    *("order_id", "status", "quantity", "amount_fen", "name", "phone", "province", "city"),
    *("district", "detail", "postcode", "carrier", "number"),
)
# The names that a column may have in a file.
_NAMES = {
    "order_id": ("order_id", "订单号", "order"),
    "carrier": ("carrier", "快递公司", "物流公司"),
    "number": ("number", "快递单号", "运单号", "物流单号", "tracking"),
}


class RowError(Struct, frozen=True):
    """A row that had no effect. `row` is its number in the file."""

    row: int
    order_id: str
    code: str
    detail: str


class Shipped(Struct, frozen=True):
    """What a file did: rows that shipped a parcel, rows that were done before, and bad ones."""

    rows: int
    shipped: int
    same: int
    errors: list[RowError]


class OrderFiles:
    """One per process. All raise StoreUnavailable."""

    def __init__(
        self,
        deployment: Deployment,
        sealer: Sealer,
        shipments: Shipments,
        spreadsheets: Spreadsheets,
    ) -> None:
        self._sql = deployment.sql
        self._sealer = sealer
        self._shipments = shipments
        self._spreadsheets = spreadsheets

    async def export(self, status: str, after: str) -> tuple[bytes, str | None]:
        """Orders of a status with their addresses, the newest first; and the next cursor.

        Raises OrderRefused("addresses_off"). An address that no key opens is left empty.
        """
        self._sealer.check_on()
        wanted = filter_of(Wanted(status=status, after=after, limit=PAGE))
        async with session(self._sql) as connection:
            found = await store.find(connection, store.query_of_places(wanted))
            given = await addresses_of(connection, [order.order_id for order in found])
        rows: list[Sequence[Cell]] = []
        for order in found:
            sealed, address = given.get(order.order_id), None
            if sealed is not None:
                try:
                    address = open_order_address(self._sealer, sealed)
                except CannotOpen:
                    address = None
            parts = ("name", "phone", "province", "city", "district", "detail", "postcode")
            rows.append(
                [
                    *(order.order_id, NAMES[order.stage] if order.state == "sold" else order.state),
                    *(order.quantity, order.amount_fen),
                    *(getattr(address, name) if address else "" for name in parts),
                    *("", ""),
                ]
            )
        cursor = next_cursor(found, PAGE, lambda order: (order.created_ms, order.order_id))
        return write_csv(_COLUMNS, rows), cursor

    async def ship(self, raw: bytes, who: str) -> Shipped:
        """Ship what a file says, row by row. Raises FileRefused or Crowded for the whole file."""
        sheet = await self._spreadsheets.read(raw)
        places = _places(sheet.columns)
        if len(sheet.rows) > MAX_ROWS:
            raise FileRefused("file_rows", f"At most {MAX_ROWS:,} rows are read from one file.")
        shipped = same = 0
        errors: list[RowError] = []
        for row in sheet.rows:
            order_id, carrier, number = (row.cells[places[key]] for key in _NAMES)
            try:
                if await self._ship(order_id, carrier, number, who):
                    shipped += 1
                else:
                    same += 1
            except SalesFault as why:
                errors.append(RowError(row.number, order_id[:40], why.code, why.detail))
            except LivesaleError as why:  # an address that no key opens
                errors.append(RowError(row.number, order_id[:40], "not_shipped", str(why)))
        return Shipped(len(sheet.rows), shipped, same, errors)

    async def _ship(self, order_id: str, carrier: str, number: str, who: str) -> bool:
        """Whether it is new. A packed parcel of the order gets the number; else it is a new one."""
        if not is_rid(order_id):
            raise SalesFault("unknown_order", "This is no number of an order.")
        if not number:
            raise SalesFault("invalid_field", "There is no tracking number.")
        there = await self._shipments.list([order_id])
        packed = [parcel for parcel in there if parcel.state == ParcelState.PACKING]
        if len(packed) == 1:
            await self._shipments.ship(packed[0].parcel_id, carrier, number, who)
            return True
        new = NewParcel(carrier=carrier, number=number)
        _, is_new = await self._shipments.add(order_id, new, who)
        return is_new


def _places(columns: Sequence[str]) -> dict[str, int]:
    """Where each column is. Raises FileRefused."""
    found: dict[str, int] = {}
    folded = [name.casefold().strip() for name in columns]
    for key, names in _NAMES.items():
        place = next((folded.index(name) for name in names if name in folded), None)
        if place is None:
            raise FileRefused("file_header", f"There is no column {' or '.join(names[:2])}.")
        found[key] = place
    return found
