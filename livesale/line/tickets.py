"""Purchase tickets: issued after the opening, for reservations that need one."""

import secrets

from msgspec import Struct

from livesale.catalogue.view import CatalogueView, ShownState
from livesale.line.challenges import Challenges
from livesale.line.service import Places
from livesale.line.signing import TicketSigner
from livesale.resources import Deployment
from livesale.tasks.clock import Clock
from livesale.validation.refusals import DropRefused, NotSelling, PartitionClosed
from stock.errors import Unreachable
from stock.model import Ticket

_REFUSED = {
    ShownState.SCHEDULED: "not_open",
    ShownState.PAUSED: "paused",
    ShownState.CLOSED: "closed",
}


class IssuedTicket(Struct, frozen=True):
    """Send it as `ticket` of one reservation of this buyer and this drop."""

    ticket: str
    drop_id: str
    expires_ms: int


class Tickets:
    """One per process. Stores nothing: Redis knows the used tickets."""

    def __init__(
        self,
        deployment: Deployment,
        view: CatalogueView,
        clock: Clock,
        signer: TicketSigner,
        challenges: Challenges,
        places: Places,
    ) -> None:
        self._engine = deployment.engine
        self._keyspace = deployment.keyspace
        self._lifetime_ms = deployment.settings.tickets.lifetime_s * 1000
        self._view = view
        self._clock = clock
        self._signer = signer
        self._challenges = challenges
        self._places = places

    async def issue(self, drop_id: str, buyer_id: str, solution: str | None) -> IssuedTicket:
        """A ticket for one reservation, also if the drop does not need one.

        Raises Unknown, NotSelling (not_open, paused, closed), DropRefused (prize_only),
        ChallengeRequired with a new challenge if one is required and `solution` is not valid,
        SalesFault (not_your_turn, gone, no_place) behind a line, PartitionClosed,
        StoreUnavailable, Unreachable.
        """
        if not self._clock.known:
            raise Unreachable("the clock of Redis is not known here yet")
        shown = await self._view.drop(drop_id)
        now_ms = self._clock.now_ms()
        if shown.state in _REFUSED:
            raise NotSelling(_REFUSED[shown.state], shown.opens_ms, now_ms)
        serial = now_ms * 1000 + secrets.randbelow(1000)
        drop = await self._view.terms(drop_id)
        if drop is not None and not drop.price_fen:
            raise DropRefused("prize_only", "Its price is 0: its units are granted.")
        if drop is not None and drop.challenge:
            serial = self._challenges.demand(
                solution,
                drop_id=drop_id,
                buyer_id=buyer_id,
                serial=serial,
                difficulty=drop.challenge,
                now_ms=now_ms,
            )
        ticket = Ticket(serial, now_ms + self._lifetime_ms)
        turn = await self._places.turn_of(drop_id, buyer_id)
        if turn is not None:
            # The serial is the time of the turn, so a turn is good for one reservation.
            until_ms = turn.at_ms + turn.turn_ms
            ticket = Ticket(turn.at_ms * 1_000, min(ticket.expires_ms, until_ms))
        text = self._signer.sign(
            ticket, drop_id=drop_id, buyer_id=buyer_id, epoch=self._epoch(drop_id)
        )
        return IssuedTicket(text, drop_id, ticket.expires_ms)

    def read(self, text: str, drop_id: str, buyer_id: str) -> Ticket:
        """The ticket of a reservation. Raises TicketInvalid or PartitionClosed."""
        return self._signer.read(
            text, drop_id=drop_id, buyer_id=buyer_id, epoch=self._epoch(drop_id)
        )

    def _epoch(self, drop_id: str) -> int:
        epoch = self._engine.epochs.get(self._keyspace.partition_of(drop_id), 0)
        if not epoch:
            raise PartitionClosed
        return epoch
