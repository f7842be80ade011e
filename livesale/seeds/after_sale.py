"""Orders in each state of what follows a sale: for the buyer's list, and for the console.

Most are Ann's: who logs in as `ann` in dev sees them. Each step asks first what there is.
"""

import asyncio

from msgspec import Struct

from livesale.database.session import session
from livesale.ledger.orders import find_any_order
from livesale.orders.addresses.form import check_address
from livesale.orders.cases.service import NewCase
from livesale.orders.cases.states import CaseKind, CaseState, Fate
from livesale.orders.cases.store import cases_of
from livesale.orders.shipments.service import NewParcel
from livesale.payments.simulated import FROZEN
from livesale.seeds.people import ANN, BO, CHEN, EVA, HOMES, Person
from livesale.seeds.sale import Sale
from livesale.seeds.tools import ACTOR, Tools
from stock.model import HoldState

WAIT_S = 30.0
LOOK_S = 0.05


class Ask(Struct, frozen=True):
    """A case of the buyer, and how far it goes."""

    kind: CaseKind
    reason: str
    until: str = "asked"  # asked, agreed, refused, sent_back, returned or withdrawn
    answer: str = ""


class Plan(Struct, frozen=True):
    """One order. `until`: held, released, paid, packing, shipped or received."""

    key: str
    person: Person
    code: str
    quantity: int = 1
    until: str = "paid"
    has_address: bool = True
    ask: Ask | None = None
    is_frozen: bool = False  # the bank refuses to send its money back


RETURN, REFUND = CaseKind.RETURN, CaseKind.REFUND
PLANS = (
    Plan("released", ANN, "LS-UMBRELLA", until="released"),
    Plan("no address", ANN, "LS-TOTE", has_address=False),
    Plan("paid", ANN, "LS-TOTE", 2),
    Plan("packing", ANN, "LS-UMBRELLA", until="packing"),
    Plan("shipped", ANN, "LS-TOTE", until="shipped"),
    Plan("received", ANN, "LS-UMBRELLA", until="received"),
    Plan("asked", ANN, "LS-TOTE", until="received", ask=Ask(RETURN, "带子缝线开了 A seam is open")),
    Plan(
        "sent back", ANN, "LS-UMBRELLA", until="received",
        ask=Ask(RETURN, "伞骨弯了 A rib is bent", "sent_back", "请寄回 Please send it back"),
    ),
    Plan(
        "returned", ANN, "LS-TOTE", until="received",
        ask=Ask(RETURN, "颜色与图片不同 Not the colour shown", "returned", "收到了 It is here"),
    ),
    Plan(
        "refunded", ANN, "LS-TOTE",
        ask=Ask(REFUND, "拍错了 Bought by mistake", "agreed", "好的 Of course"),
    ),
    Plan("bo paid", BO, "LS-TOTE", 3),
    Plan("bo shipped", BO, "LS-UMBRELLA", until="shipped"),
    Plan(
        "bo refused", BO, "LS-TOTE", until="received",
        ask=Ask(RETURN, "不想要了 I changed my mind", "refused", "已使用过 It has been used"),
    ),
    Plan("chen paid", CHEN, "LS-UMBRELLA"),
    Plan(
        "chen agreed", CHEN, "LS-TOTE", until="shipped",
        ask=Ask(RETURN, "尺寸太大 Too large", "agreed", "请寄回 Please send it back"),
    ),
    Plan("eva asked", EVA, "LS-UMBRELLA", ask=Ask(REFUND, "不需要了 No longer needed")),
    Plan("eva withdrawn", EVA, "LS-TOTE", ask=Ask(REFUND, "地址错了 Wrong address", "withdrawn")),
    Plan(
        "eva frozen", EVA, "LS-UMBRELLA", 2, is_frozen=True,
        ask=Ask(REFUND, "重复购买 Bought twice", "agreed", "马上退 At once"),
    ),
    Plan("held", ANN, "LS-UMBRELLA", until="held", has_address=False),
)  # fmt: skip

_PARCEL = {"packing": 1, "shipped": 2, "received": 3}


class AfterSale:
    def __init__(self, tools: Tools, sale: Sale) -> None:
        self._tools = tools
        self._sale = sale

    async def add_homes(self) -> None:
        for name, home in HOMES.items():
            person = next(one for one in (ANN, BO, CHEN, EVA) if one.name == name)
            await self._tools.book.add(person.buyer_id, home, default=True, key="seed")

    async def add_orders(self) -> None:
        for plan in PLANS:
            await self.add_order(plan)

    async def add_order(self, plan: Plan) -> None:
        """Bring one order as far as its plan says."""
        drop, buyer_id = await self._sale.drop(plan.code), plan.person.buyer_id
        found = await self._sale.reserve(drop.drop_id, buyer_id, f"seed {plan.key}", plan.quantity)
        if found is None:
            return
        if plan.until == "released":
            await self._tools.engine.release(found.rid, buyer_id)
        if plan.until in ("held", "released"):
            return
        if found.state is HoldState.HELD:
            payment_id = f"{FROZEN}{found.rid}" if plan.is_frozen else ""
            await self._sale.pay(found, payment_id)
        await self._wait_until_sold(found.rid)
        number = _PARCEL.get(plan.until, 0)
        parcels = await self._tools.shipments.list([found.rid])
        if plan.has_address and await self._tools.addresses.find(found.rid, buyer_id) is None:
            home = check_address(HOMES[plan.person.name])
            await self._tools.addresses.put(found.rid, buyer_id, home)
        if number and not parcels:
            new = NewParcel() if number == 1 else NewParcel(carrier="SF", number=_number(plan))
            await self._tools.shipments.add(found.rid, new, ACTOR)
        if number == 3:
            await self._tools.shipments.receive(found.rid, buyer_id)
        if plan.ask is not None:
            await self._ask(found.rid, buyer_id, plan)

    async def _ask(self, order_id: str, buyer_id: str, plan: Plan) -> None:
        """Open the case, and take each step that it has not taken."""
        ask = plan.ask
        assert ask is not None  # noqa: S101  the caller looked
        cases = self._tools.cases
        async with session(self._tools.sql) as connection:
            there = await cases_of(connection, [order_id])
        new = NewCase(ask.kind, plan.quantity, ask.reason)
        case = there[0] if there else await cases.ask(order_id, buyer_id, new)
        if case.state == CaseState.ASKED:
            if ask.until == "refused":
                await cases.refuse(case.case_id, ACTOR, ask.answer)
            elif ask.until == "withdrawn":
                await cases.withdraw(case.case_id, buyer_id)
            elif ask.until != "asked":
                case = await cases.agree(case.case_id, ACTOR, ask.answer)
        if ask.kind is RETURN and case.state == CaseState.AGREED and ask.until != "agreed":
            if not case.number:
                await cases.send_back(case.case_id, buyer_id, "YTO", f"YT90{_number(plan)[4:]}")
            if ask.until == "returned":
                await cases.take_in(case.case_id, ACTOR, Fate.STOCK, ask.answer)

    async def _wait_until_sold(self, order_id: str) -> None:
        """Until the writer has it. Raises TimeoutError: then the step is repeated later."""
        async with asyncio.timeout(WAIT_S):
            while True:
                async with session(self._tools.sql) as connection:
                    found = await find_any_order(connection, order_id)
                if found is not None and found.state == HoldState.SOLD:
                    return
                await asyncio.sleep(LOOK_S)


def _number(plan: Plan) -> str:
    """A parcel's number: the same at every retry."""
    place = PLANS.index(plan)
    return f"SF10240511{place:04d}"
