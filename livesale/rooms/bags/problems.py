"""The problems of lucky bags. Codes are stable, because clients depend on them."""

from livesale.web.problems import declare

PROBLEMS = declare(
    own_bag=(
        403,
        "People who run the room cannot enter its lucky bags",
        "Stop: people who run the room cannot enter.",
    ),
    unknown_bag=(404, "There is no such lucky bag", "Correct the id."),
    no_prize=(404, "This entry did not win", "Stop: another entry has won."),
    phrase_missing=(
        409,
        "Say the phrase of the lucky bag first",
        "Say the bag's `phrase` in a comment, then enter.",
    ),
    bag_running=(409, "The room already has a lucky bag", "Wait for its draw, or read `…/bags`."),
    bag_full=(409, "The lucky bag is full", "Stop: it has the maximum number of entries."),
    bag_closed=(410, "The lucky bag has closed", "Stop: it is being drawn, was drawn, or is void."),
    prize_gone=(
        410,
        "The prize is no longer available",
        "Stop: it was not claimed in time, was returned, or could not be given.",
    ),
    stay_longer=(
        425,
        "Stay in the room longer first",
        "Repeat it after `Retry-After`; keep the room open.",
        5,
    ),
    not_drawn=(425, "The lucky bag has not been drawn yet", "Wait for `bag.drawn`.", 1),
)
