"""Campaigns that do not exist. Codes are stable: clients tell cases apart by them."""

from livesale.web.problems import declare

PROBLEMS = declare(
    unknown_campaign=(404, "There is no such campaign", "Correct the id."),
)
