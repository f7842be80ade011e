"""Starts a payment: announces the reservation to the gateway, and tells the client how to pay."""

from collections.abc import Callable

from msgspec import Struct

from livesale.catalogue.view import CatalogueView
from livesale.database.session import session
from livesale.identity.store import find_subject
from livesale.payments import prepays
from livesale.payments.gateway import Invitation, PayGateway, PaymentOrder
from livesale.payments.prepays import Prepay
from livesale.resources import Deployment
from livesale.sales.reservations import Reservations
from livesale.tokens.apps import App
from livesale.validation.refusals import AlreadySold, PaymentRefused
from stock.ids import drop_of
from stock.model import HoldState, Reservation

PREPAY_LIFE_MS = (
    90 * 60_000
)  # WeChat's prepay id is valid for two hours; then the same order gets a new one
SETTLE_LATER_MS = 5_000  # after the sweep's grace time: see livesale.payments.collector
MAX_DESCRIPTION = 120


class StartedPayment(Struct, frozen=True):
    reservation: Reservation
    gateway: str
    invitation: Invitation


class Payments:
    """One per process. `now_ms` is Redis's clock."""

    def __init__(
        self,
        deployment: Deployment,
        gateway: PayGateway,
        reservations: Reservations,
        view: CatalogueView,
        now_ms: Callable[[], int],
    ) -> None:
        self._sql = deployment.sql
        self._grace_ms = deployment.settings.payments.grace_ms
        self._gateway = gateway
        self._reservations = reservations
        self._view = view
        self._now_ms = now_ms

    async def start(self, rid: str, buyer_id: str, app: App = App.MINI_PROGRAM) -> StartedPayment:
        """Tell the client how to pay. A repeat announces the same order, never a second one.

        `app` is that of the buyer's login: the gateway knows the buyer by another name in each.

        Raises Unknown, AlreadySold, PaymentRefused, StoreUnavailable, GatewayFault.
        """
        reservation = await self._reservations.find(rid, buyer_id)
        if not reservation.amount_fen:
            raise PaymentRefused("nothing_to_pay", "It was granted, not sold.")
        self._check_held(reservation)
        payer = await self._payer(buyer_id, app)
        prepay = await self._note(reservation, app)
        fresh = prepay.prepay_id and self._now_ms() - prepay.updated_ms < PREPAY_LIFE_MS
        prepay_id = prepay.prepay_id if fresh else await self._announce(reservation, payer, app)
        invitation = await self._gateway.invite(rid, prepay_id, app)
        return StartedPayment(reservation, self._gateway.name, invitation)

    def _check_held(self, reservation: Reservation) -> None:
        if reservation.state is HoldState.SOLD:
            raise AlreadySold
        if reservation.state is not HoldState.HELD or reservation.expires_ms <= self._now_ms():
            raise _hold_ended()

    async def _payer(self, buyer_id: str, app: App) -> str:
        logins = self._gateway.logins
        if logins is None:
            return ""
        if app not in logins:
            raise PaymentRefused("payer_unknown", "Payments are off in the app of this login.")
        provider, appid = logins[app]
        subject = await find_subject(self._sql, buyer_id, provider, appid)
        if subject is None:
            raise PaymentRefused("payer_unknown", f"Log in with {provider} before paying with it.")
        return subject

    async def _note(self, reservation: Reservation, app: App) -> Prepay:
        """The row of this prepay; it exists before the order can be paid.

        WeChat has one order of this number, which belongs to one app: a second app would make a
        second order, and both could be paid.
        """
        now_ms = self._now_ms()
        new = Prepay(
            order_id=reservation.rid,
            gateway=self._gateway.name,
            prepay_id="",
            amount_fen=reservation.amount_fen,
            state=prepays.OPEN,
            expires_ms=reservation.expires_ms,
            next_ms=reservation.expires_ms + self._grace_ms + SETTLE_LATER_MS,
            tries=0,
            created_ms=now_ms,
            updated_ms=now_ms,
            app=app,
        )
        found = await self._find(reservation.rid)
        if found is None:
            async with session(self._sql, write=True) as connection:
                if await prepays.add_prepay(connection, new):
                    return new
            found = await self._find(reservation.rid)
        if found is None or found.state == prepays.CLOSED:
            raise _hold_ended()
        if found.state == prepays.PAID:
            raise AlreadySold
        if self._gateway.logins is not None and found.announced_in is not app:
            where = found.announced_in.replace("_", "-")
            detail = f"This payment was begun in the {where}: finish it there."
            raise PaymentRefused("paying_elsewhere", detail)
        return found

    async def _find(self, rid: str) -> Prepay | None:
        async with session(self._sql) as connection:
            return await prepays.find_prepay(connection, rid)

    async def _announce(self, reservation: Reservation, payer: str, app: App) -> str:
        drop = await self._view.terms(drop_of(reservation.rid))
        order = PaymentOrder(
            order_id=reservation.rid,
            amount_fen=reservation.amount_fen,
            expires_ms=reservation.expires_ms,
            description=(drop.title if drop else reservation.rid)[:MAX_DESCRIPTION],
            payer=payer,
            app=app,
        )
        prepay_id = await self._gateway.prepay(order)
        async with session(self._sql, write=True) as connection:
            still_open = await prepays.note_prepay_id(
                connection, reservation.rid, prepay_id, self._now_ms()
            )
        if not still_open:
            raise _hold_ended()
        return prepay_id


def _hold_ended() -> PaymentRefused:
    return PaymentRefused("hold_ended", "The hold has ended: reserve again.")
