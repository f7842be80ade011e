"""POST /v1/drops/{drop_id}/tickets"""

from msgspec import Struct

from livesale.line.challenges import Altcha
from livesale.line.metrics import TICKETS
from livesale.line.tickets import IssuedTicket, Tickets
from livesale.parts import Parts
from livesale.validation.refusals import ChallengeRequired
from livesale.web.routes import Answer, Call, Route


class NewTicket(Struct, frozen=True, forbid_unknown_fields=True):
    altcha: Altcha | None = None


async def issue_ticket(parts: Parts, call: Call) -> Answer:
    try:
        issued = await parts[Tickets].issue(call.path["drop_id"], call.buyer_id, call.body.altcha)
    except ChallengeRequired:
        TICKETS.labels("challenge").inc()
        raise
    TICKETS.labels("issued").inc()
    return Answer(201, issued)


TICKET_ROUTES = [
    Route(
        "POST",
        "/v1/drops/{drop_id}/tickets",
        issue_ticket,
        "Get a purchase ticket",
        "reservations",
        {201: IssuedTicket},
        (
            "unknown_drop",
            "prize_only",
            "challenge_required",
            "not_open",
            "paused",
            "closed",
            *("not_your_turn", "gone", "no_place"),
            "overloaded",
            "fenced",
            "engine_refused",
            "books_broken",
            "store_unavailable",
        ),
        auth="buyer",
        body=NewTicket,
        default_body=NewTicket(),
        description=(
            "For a drop with `ticket_required`, after the opening: send the ticket as `ticket` of "
            "one reservation, until `expires_ms`. If the drop has a challenge, the problem "
            "`challenge_required` has it in `challenge`; send its solution as `altcha`. The same "
            "solution gives the same ticket, not a second one. Behind a line, only in your turn, "
            "and one reservation a turn."
        ),
    )
]
