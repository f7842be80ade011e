"""Problems of names. Codes are stable."""

from livesale.web.problems import declare

PROBLEMS = declare(
    name_blocked=(422, "The name contains blocked words", "Use another name: `field` names it."),
    unknown_buyer=(404, "There is no buyer with this id", "Correct the id."),
)
