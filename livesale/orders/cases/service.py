"""Use cases of after-sale cases.

Each transition is one transaction that locks the order first: the state by compare-and-set, the
event, and what it causes: the refund, and the units that are to come back.
"""

from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.action_log.record import note_change
from livesale.database.engine import now_ms
from livesale.database.keyset import key_of, next_cursor
from livesale.database.session import session
from livesale.ledger import refunds
from livesale.orders.cases import store
from livesale.orders.cases.evidence import missing_evidence
from livesale.orders.cases.states import CaseKind, CaseState, Fate, may_follow
from livesale.orders.cases.store import Case, TakeBackRow
from livesale.orders.events import Locked, add_event, lock_order
from livesale.orders.shipments.service import NewParcel, check_sold, check_tracking
from livesale.orders.shipments.store import parcels_of
from livesale.orders.stages import Stage
from livesale.payments.refunds import part_no_of
from livesale.resources import Deployment
from livesale.validation.refusals import InvalidField, OrderRefused, Unknown
from stock.ids import new_id

MAX_CASES = 20  # of an order, also ended ones


class NewCase(Struct, frozen=True):
    """What a buyer asks for. `amount_fen`: None for the price of the units."""

    kind: CaseKind
    units: int
    reason: str
    amount_fen: int | None = None
    evidence: Sequence[str] = ()


class Cases:
    """One per process. All raise StoreUnavailable. `who` is a caller as `Call.name` gives it."""

    def __init__(self, deployment: Deployment) -> None:
        orders = deployment.settings.orders
        self._sql = deployment.sql
        self._ask_ms = orders.ask_s * 1000
        self._answer_ms = orders.answer_s * 1000
        self._return_ms = orders.return_s * 1000
        self._check_ms = orders.check_s * 1000

    async def ask(self, order_id: str, buyer_id: str, new: NewCase) -> Case:
        """Open a case. An order has one open case at a time.

        Raises Unknown, InvalidField, OrderRefused (not_sold, order_over, case_open, too_late,
        nothing_left, not_shipped, too_many_cases).
        """
        at_ms = now_ms()
        async with session(self._sql, write=True) as connection:
            order = check_sold(await lock_order(connection, order_id, buyer_id))
            there = await store.cases_of(connection, [order_id])
            if any(case.open_order for case in there):
                raise OrderRefused(
                    "case_open", "Wait for the end of the open case, or withdraw it."
                )
            if len(there) >= MAX_CASES:
                raise OrderRefused("too_many_cases", f"At most {MAX_CASES} cases of an order.")
            await self._check_time(connection, order, new.kind, at_ms)
            amount_fen = await self._amount(connection, order, new)
            missing = await missing_evidence(connection, order_id, new.evidence)
            if missing:
                raise InvalidField("evidence", f"Upload it to this order first: {missing[0]}.")
            case = Case(
                case_id=f"c{new_id()}",
                order_id=order_id,
                buyer_id=buyer_id,
                kind=new.kind,
                state=CaseState.ASKED,
                units=new.units,
                amount_fen=amount_fen,
                reason=new.reason,
                evidence=" ".join(new.evidence),
                answer="",
                carrier="",
                number="",
                fate="",
                refund_no="",
                open_order=order_id,
                due_ms=at_ms + self._answer_ms,
                created_ms=at_ms,
                updated_ms=at_ms,
            )
            await store.add_case(connection, case)
            await _note(connection, case, "", f"buyer|{buyer_id}", at_ms, why=new.reason)
        return case

    async def agree(
        self, case_id: str, who: str, answer: str, amount_fen: int | None = None
    ) -> Case:
        """The shop agrees, perhaps to less money. Of a refund, the money goes back now.

        Raises Unknown, InvalidField, OrderRefused (case_over, too_much_back).
        """
        at_ms = now_ms()
        async with session(self._sql, write=True) as connection:
            case, _ = await self._lock(connection, case_id)
            return await self._agree(connection, case, who, answer, amount_fen, at_ms)

    async def refuse(self, case_id: str, who: str, answer: str) -> Case:
        """The shop refuses, with its reason. Raises Unknown, OrderRefused("case_over")."""
        at_ms = now_ms()
        async with session(self._sql, write=True) as connection:
            case, _ = await self._lock(connection, case_id)
            values = {"state": CaseState.REFUSED, "answer": answer, "updated_ms": at_ms}
            return await self._move(connection, case, values, who, at_ms, answer)

    async def withdraw(self, case_id: str, buyer_id: str) -> Case:
        """The buyer gives up, before money or goods moved. Raises Unknown, OrderRefused."""
        at_ms = now_ms()
        async with session(self._sql, write=True) as connection:
            case, _ = await self._lock(connection, case_id, buyer_id)
            if case.refund_no:
                raise OrderRefused("case_over", "The money is on its way back.")
            values = {"state": CaseState.WITHDRAWN, "updated_ms": at_ms}
            return await self._move(connection, case, values, f"buyer|{buyer_id}", at_ms)

    async def send_back(self, case_id: str, buyer_id: str, carrier: str, number: str) -> Case:
        """The buyer has sent the goods; may be corrected. Raises Unknown, InvalidField,
        OrderRefused."""
        carrier, number = check_tracking(NewParcel(carrier=carrier, number=number), needed=True)
        at_ms = now_ms()
        async with session(self._sql, write=True) as connection:
            case, _ = await self._lock(connection, case_id, buyer_id)
            if case.kind != CaseKind.RETURN or case.state != CaseState.AGREED:
                raise OrderRefused("case_over", "No goods are awaited.")
            values = {
                "carrier": carrier,
                "number": number,
                "due_ms": at_ms + self._check_ms,
                "updated_ms": at_ms,
            }
            if not await store.move_case(connection, case, **values):
                raise AssertionError("a case changed under the lock of its order")
            after = replace(case, **values)
            who, why = f"buyer|{buyer_id}", f"{carrier} {number}"
            await _note(connection, after, case.state, who, at_ms, kind="case.sent_back", why=why)
        return after

    async def take_in(self, case_id: str, who: str, fate: Fate, note: str) -> Case:
        """The goods are there: the money goes back, and the units as the operator says.

        Raises Unknown, OrderRefused (case_over, too_much_back).
        """
        at_ms = now_ms()
        async with session(self._sql, write=True) as connection:
            case, _ = await self._lock(connection, case_id)
            return await self._take_in(connection, case, who, fate, note, at_ms)

    async def decide_due(self, found: Case, who: str, at_ms: int) -> bool:
        """What happens at a deadline: an unanswered case is agreed to; goods that were never sent
        withdraw it; goods that were sent and not checked count as taken in."""
        async with session(self._sql, write=True) as connection:
            case, _ = await self._lock(connection, found.case_id)
            if not 0 < case.due_ms <= at_ms or case.state != found.state:
                return False
            why = "deadline"
            if case.state == CaseState.ASKED:
                await self._agree(connection, case, who, why, None, at_ms)
            elif case.number:
                await self._take_in(connection, case, who, Fate.KEEP, why, at_ms)
            else:
                values = {"state": CaseState.WITHDRAWN, "updated_ms": at_ms}
                await self._move(connection, case, values, who, at_ms, why)
        return True

    async def note_paid(self, found: Case, who: str, at_ms: int) -> bool:
        """The buyer has the money; False if the case has moved on."""
        async with session(self._sql, write=True) as connection:
            case, _ = await self._lock(connection, found.case_id)
            if not may_follow(case.state, CaseState.REFUNDED):
                return False
            values = {"state": CaseState.REFUNDED, "updated_ms": at_ms}
            await self._move(connection, case, values, who, at_ms)
        return True

    async def find(self, case_id: str, buyer_id: str | None = None) -> Case:
        """Raises Unknown("unknown_case"), also for another buyer's."""
        async with session(self._sql) as connection:
            found = await store.find_case(connection, case_id)
        if found is None or buyer_id not in (None, found.buyer_id):
            raise Unknown("unknown_case")
        return found

    async def page(
        self, state: str | None, *, after: str, limit: int
    ) -> tuple[list[Case], str | None]:
        """Cases after the cursor, the newest first; and the cursor of the next page."""
        async with session(self._sql) as connection:
            found = await store.list_cases(connection, state, before=key_of(after), limit=limit)
        return found, next_cursor(found, limit, lambda case: (case.created_ms, case.case_id))

    async def _check_time(
        self, connection: AsyncConnection, order: Locked, kind: CaseKind, at_ms: int
    ) -> None:
        if order.stage not in (Stage.SHIPPED, Stage.RECEIVED) and kind is CaseKind.RETURN:
            raise OrderRefused("not_shipped", "Nothing was shipped: ask for a refund.")
        if order.stage == Stage.RECEIVED:
            found = await parcels_of(connection, [order.order_id])
            received_ms = max((parcel.received_ms for parcel in found), default=at_ms)
            if at_ms > received_ms + self._ask_ms:
                raise OrderRefused("too_late", "It was received too long ago.")

    async def _amount(self, connection: AsyncConnection, order: Locked, new: NewCase) -> int:
        """The amount of a new case, checked. Raises InvalidField, OrderRefused."""
        left = order.quantity - await store.counted_of(connection, order.order_id)
        paid = await refunds.sale_of(connection, order.order_id)
        back_fen = await refunds.refunded_of(connection, paid.payment_id) if paid else 0
        left_fen = (paid.amount_fen if paid else 0) - back_fen
        if left < 1 or (left_fen < 1 and order.amount_fen):
            raise OrderRefused("nothing_left", "All of it was asked for, or goes back already.")
        if new.units > left:
            raise InvalidField("units", f"Of {order.quantity}, {left} are left.")
        price_fen = new.units * order.price_fen
        if new.amount_fen is not None and new.amount_fen > min(price_fen, left_fen):
            raise InvalidField("amount_fen", f"At most {min(price_fen, left_fen)} fen.")
        return min(price_fen, left_fen) if new.amount_fen is None else new.amount_fen

    async def _lock(
        self, connection: AsyncConnection, case_id: str, buyer_id: str | None = None
    ) -> tuple[Case, Locked]:
        found = await store.find_case(connection, case_id)
        order = await lock_order(connection, found.order_id) if found else None
        found = await store.find_case(connection, case_id) if order else None  # now it stays
        if found is None or order is None or buyer_id not in (None, found.buyer_id):
            raise Unknown("unknown_case")
        return found, order

    async def _agree(
        self,
        connection: AsyncConnection,
        case: Case,
        who: str,
        answer: str,
        amount_fen: int | None,
        at_ms: int,
    ) -> Case:
        if amount_fen is not None and amount_fen > case.amount_fen:
            raise InvalidField("amount_fen", f"The buyer asks for {case.amount_fen} fen.")
        amount_fen = case.amount_fen if amount_fen is None else amount_fen
        values: dict[str, object] = {
            "state": CaseState.AGREED,
            "answer": answer,
            "amount_fen": amount_fen,
            "due_ms": at_ms + self._return_ms if case.kind == CaseKind.RETURN else 0,
            "updated_ms": at_ms,
        }
        if case.kind == CaseKind.REFUND:
            values["refund_no"] = await self._pay_back(connection, case, amount_fen, at_ms)
        moved = await self._move(connection, case, values, who, at_ms, answer)
        if case.kind == CaseKind.REFUND and not moved.refund_no:  # it was free
            paid = {"state": CaseState.REFUNDED, "updated_ms": at_ms}
            return await self._move(connection, moved, paid, who, at_ms)
        return moved

    async def _take_in(
        self,
        connection: AsyncConnection,
        case: Case,
        who: str,
        fate: Fate,
        note: str,
        at_ms: int,
    ) -> Case:
        if case.kind != CaseKind.RETURN:
            raise OrderRefused("case_over", "No goods come back in this case.")
        values: dict[str, object] = {
            "state": CaseState.RETURNED,
            "fate": fate,
            "due_ms": 0,
            "updated_ms": at_ms,
        }
        after = await self._move(connection, case, values, who, at_ms, note)
        refund_no = await self._pay_back(connection, case, case.amount_fen, at_ms)
        if not await store.move_case(connection, after, refund_no=refund_no):
            raise AssertionError("a case changed under the lock of its order")
        if fate is not Fate.KEEP:
            row = TakeBackRow(
                take_id=case.case_id,
                order_id=case.order_id,
                units=case.units,
                fate=fate,
                reason=note or case.reason,
                state=store.DUE,
                tries=0,
                next_ms=at_ms,
                detail="",
                created_ms=at_ms,
                updated_ms=at_ms,
            )
            await store.add_take_back(connection, row)
        if not refund_no:  # it was free
            paid = {"state": CaseState.REFUNDED, "updated_ms": at_ms}
            return await self._move(connection, after, paid, who, at_ms)
        return replace(after, refund_no=refund_no)

    async def _pay_back(
        self, connection: AsyncConnection, case: Case, amount_fen: int, at_ms: int
    ) -> str:
        """Make the refund due; its number, empty for what cost nothing. Raises OrderRefused."""
        paid = await refunds.sale_of(connection, case.order_id)
        if paid is None or not amount_fen:
            return ""
        number = part_no_of(paid.payment_id, f"case|{case.case_id}")
        reason, note = refunds.AFTER_SALE, case.reason
        try:
            await refunds.add_refund(connection, paid, number, reason, note, at_ms, amount_fen)
        except refunds.TooMuchBack:
            raise OrderRefused("too_much_back", "Less than that is left of the payment.") from None
        return number

    async def _move(
        self,
        connection: AsyncConnection,
        case: Case,
        values: dict[str, object],
        who: str,
        at_ms: int,
        why: str = "",
    ) -> Case:
        after = CaseState(str(values["state"]))
        if not may_follow(case.state, after):
            raise OrderRefused("case_over", f"The case is {case.state}.")
        if not await store.move_case(connection, case, **values):
            raise AssertionError("a case changed under the lock of its order")
        moved: Case = replace(case, **values)
        await _note(connection, moved, case.state, who, at_ms, why=why)
        return moved


async def _note(
    connection: AsyncConnection,
    case: Case,
    before: str,
    who: str,
    at_ms: int,
    *,
    kind: str = "",
    why: str = "",
) -> None:
    note_change(
        {"state": before} if before else None,
        {"case_id": case.case_id, "state": case.state, "amount_fen": case.amount_fen},
    )
    await add_event(
        connection,
        case.order_id,
        kind or f"case.{case.state}",
        at_ms=at_ms,
        who=who,
        why=why,
        about=case.case_id,
        before=before,
        after=case.state,
    )
