"""POST /v1/drops/{drop_id}/tickets"""

from typing import Annotated

from msgspec import Meta, Struct

from livesale.http.routes import Answer, Call, Route
from livesale.http.services import Services
from livesale.identity.challenges import MAX_SOLUTION_LENGTH
from livesale.metrics import TICKETS
from livesale.sales.errors import ChallengeRequired
from livesale.sales.tickets import IssuedTicket


class NewTicket(Struct, frozen=True, forbid_unknown_fields=True):
    altcha: (
        Annotated[
            str,
            Meta(
                max_length=MAX_SOLUTION_LENGTH,
                description="the solved challenge, as the ALTCHA widget gives it",
            ),
        ]
        | None
    ) = None


async def issue_ticket(services: Services, call: Call) -> Answer:
    try:
        issued = await services.tickets.issue(call.path["drop_id"], call.buyer_id, call.body.altcha)
    except ChallengeRequired:
        TICKETS.labels("challenge").inc()
        raise
    TICKETS.labels("issued").inc()
    return Answer(201, issued)


ROUTES = [
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
            "After the opening, where a drop has `ticket_required`: the ticket goes into `ticket` "
            "of one reservation, until `expires_ms`. Where an operator asks for a challenge, the "
            "problem `challenge_required` carries it in `challenge`; send its solution as "
            "`altcha`. The same solution gives the same ticket, not a second one."
        ),
    )
]
