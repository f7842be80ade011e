"""Problems of tickets and lines. Codes are stable, because clients depend on them."""

from livesale.web.problems import declare

PROBLEMS = declare(
    unknown_line=(
        404,
        "There is no line in front of this drop",
        "Buy as without one: it has none, or its drop is not opened yet.",
    ),
    no_place=(404, "You have no place in this line", "Join it with `POST …/line`."),
    not_your_turn=(
        403,
        "It is not your turn",
        "Look at `GET …/line/me`: wait for your turn, or, if it is over, leave and join again.",
    ),
    gone=(410, "Nothing is left, and nothing will return", "Stop: the line has ended."),
    line_full=(409, "The line has no more places", "Stop: a line does not get shorter."),
    line_closed=(
        409,
        "The list of this draw is closed",
        "Stop, or join the line behind the draw with `POST …/line`.",
    ),
    draw_pending=(409, "The draw has not been made yet", "Ask again after the opening."),
    still_available=(
        409,
        "Units can be had: nobody needs to wait",
        "Get a ticket with `POST …/tickets` and reserve.",
    ),
    line_opened=(
        409,
        "This line is open: its terms are fixed",
        "Nothing to do: people may have places in it.",
    ),
    insider=(403, "People of the shop cannot enter", "Stop: lines and draws are for buyers."),
    account_too_new=(
        403,
        "This line is for older accounts",
        "Try again at `until_ms`, if the line is open then.",
    ),
    unknown_insider=(404, "This buyer is not in the list", "Reload the list."),
    too_many_insiders=(409, "The list is full", "Remove who does not work for the shop any more."),
    line_needs_time=(
        409,
        "People gather in the line of this drop first",
        "Let the drop open some seconds from now, or take the line away.",
    ),
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
