"""Why nothing is sold, or a drop cannot be changed. Codes are stable: clients know them."""

from livesale.web.problems import declare

PROBLEMS = declare(
    over_limit=(
        403,
        "This buyer has reached the limit of this drop",
        "Stop. If a hold of this buyer ends unpaid, the buyer may reserve again.",
    ),
    barred=(
        403,
        "Too many of this buyer's holds expired unpaid",
        "Stop: too many holds of this drop were left unpaid.",
    ),
    prize_only=(
        403,
        "This drop is a prize and cannot be bought",
        "Stop: it is [won](lucky-bag.md), not bought.",
    ),
    unknown_drop=(404, "There is no such drop", "Correct the id."),
    unknown_reservation=(
        404,
        "There is no such reservation",
        "Correct the id. Another buyer's reservation is unknown, too.",
    ),
    sold_out=(
        409,
        "Sold out",
        "Try again later if you like: unpaid holds return. "
        "`remaining` is above 0 if you asked for more than is left.",
    ),
    paused=(409, "The sale is paused", "Wait: an operator will resume or close the sale."),
    already_sold=(409, "The reservation is already paid", "Nothing to do: it is paid."),
    hold_ended=(409, "The hold has ended", "Reserve again: the units went back."),
    not_opened=(409, "The drop has not been opened", "Open the drop first."),
    already_open=(409, "The sale has already opened", "Buy now."),
    drop_opened=(
        409,
        "The drop has been opened",
        "Stop: only a draft can be changed or deleted. Make a new drop.",
    ),
    drop_closed=(409, "The drop is closed", "Make a new drop."),
    terms_conflict=(
        409,
        "The drop is open with other terms",
        "Compare the terms: Redis has this drop with other ones.",
    ),
    too_few=(
        409,
        "Fewer units are available than you want to scrap",
        "`available` says how many can be scrapped.",
    ),
    too_many=(
        409,
        "A drop cannot have so many units",
        "Restock less: a drop has at most 100,000,000 units.",
    ),
    closed=(410, "The sale is over", "Stop: the sale is over."),
    not_open=(
        425,
        "The sale has not opened yet",
        "Come back at `opens_ms`. It is `server_ms` now, by the clock of `/v1/time`.",
    ),
)
