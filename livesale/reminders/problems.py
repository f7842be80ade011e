"""Problems of reminders. Codes are stable, because clients depend on them."""

from livesale.web.problems import declare

PROBLEMS = declare(
    reminders_off=(
        404,
        "Reminders of this kind are switched off",
        "Nothing to do: no template is set for this kind of [reminder](reminders.md).",
    ),
    not_reachable=(
        409,
        "WeChat does not know this buyer",
        "Log in with WeChat: reminders are WeChat messages.",
    ),
    too_many_reminders=(
        409,
        "Too many reminders are waiting",
        "Delete another reminder first, or stop: too many wait for this room or drop.",
    ),
)
