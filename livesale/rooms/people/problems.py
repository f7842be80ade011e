"""Problems of comments, mutes and bans. Codes are stable, because clients depend on them."""

from livesale.web.problems import declare

PROBLEMS = declare(
    muted=(403, "You are muted in this room", "Wait until `until_ms`."),
    room_muted=(
        403,
        "Only the team of the room may comment now",
        "Wait for `room.changed` with `muted` false.",
    ),
    banned=(
        403,
        "You are banned from this room",
        "Stop until `until_ms`. Watching without a token is possible.",
    ),
    unknown_comment=(
        404,
        "There is no such comment",
        "Stop: no comment of the room has this number.",
    ),
    comment_blocked=(422, "The comment contains blocked words", "Use other words."),
)
