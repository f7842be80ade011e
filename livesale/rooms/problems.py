"""Problems of rooms. Codes are stable, because clients depend on them."""

from livesale.web.problems import declare

PROBLEMS = declare(
    not_yours=(
        403,
        "Only people who run the room may do this",
        "Call it as the host of the room, as an assistant if that is enough, or as an operator.",
    ),
    unknown_room=(404, "There is no such room", "Correct the id."),
    unknown_item=(404, "There is no such item on the shelf", "Read the shelf again."),
    unknown_member=(
        404,
        "There is no such person in this room",
        "Take the `person_id` from an event of this room.",
    ),
    room_state=(
        409,
        "The state of the room does not allow this",
        "`detail` says the state. Do the step before this one first.",
    ),
    other_room=(
        409,
        "The drop belongs to another room",
        "Take a draft back there first. Once opened, it stays with its room.",
    ),
    shelf_full=(
        409,
        "The shelf is full",
        "Remove an item first, or take a draft back from the room.",
    ),
    item_hidden=(409, "The item is hidden from viewers", "Make it visible first."),
    too_many_members=(
        409,
        "The room has the maximum number of assistants",
        "Dismiss an assistant first.",
    ),
    room_over=(410, "The room has ended", "Stop: it has ended, or was never started."),
)
