"""Problems of orders. Codes are stable, because clients depend on them."""

from livesale.web.problems import declare

PROBLEMS = declare(
    unknown_order=(
        404,
        "There is no such order",
        "If the reservation is new, wait a moment: SQL follows the log. Otherwise correct the id.",
    ),
)
