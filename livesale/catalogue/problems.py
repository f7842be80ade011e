"""Problems of campaigns. Codes are stable, because clients depend on them."""

from livesale.web.problems import declare

PROBLEMS = declare(
    unknown_campaign=(404, "There is no such campaign", "Correct the id."),
)
