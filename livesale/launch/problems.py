"""Why a sale is not opened. Codes are stable: clients know them."""

from livesale.web.problems import declare

PROBLEMS = declare(
    no_go=(
        409,
        "A light of the go/no-go list is red",
        "Handle it, or send `override_reason`: the log keeps it. `lights` names the red ones.",
    ),
)
