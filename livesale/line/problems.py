"""Problems of tickets. Codes are stable, because clients depend on them."""

from livesale.web.problems import declare

PROBLEMS = declare(
    ticket_required=(
        403,
        "This drop sells by purchase tickets",
        "Get one with `POST …/tickets`, and send it as `ticket`.",
    ),
    ticket_invalid=(
        403,
        "This purchase ticket is invalid or has expired",
        "Get a new one: it has expired, or is for another buyer or drop.",
    ),
    challenge_required=(
        403,
        "Solve a challenge first",
        "Solve `challenge` (ALTCHA), and send the solution as `altcha`.",
    ),
    ticket_used=(
        409,
        "This purchase ticket, or a newer one, was already used",
        "For another reservation get a new ticket. For a retry send the same key.",
    ),
    no_tickets=(
        409,
        "This drop sells without tickets",
        "Nothing to do: only a drop with tickets has a challenge.",
    ),
)
