"""The stages of a sold order on its way to the buyer. No I/O.

waiting → packing → shipped → received; waiting or packing → cancelled, when all its money goes
back before anything is shipped. The stage is in `orders.stage`: a sold order waits by itself.
"""

from enum import StrEnum


class Stage(StrEnum):
    """The value in SQL; `WAITING` is what the writer leaves there."""

    WAITING = ""
    PACKING = "packing"
    SHIPPED = "shipped"
    RECEIVED = "received"
    CANCELLED = "cancelled"


# As the API names them.
NAMES: dict[str, str] = {stage.value: stage.value or "waiting" for stage in Stage}
BY_NAME: dict[str, Stage] = {name: Stage(value) for value, name in NAMES.items()}
