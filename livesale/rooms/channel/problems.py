"""Problems of frames. Codes are stable, because clients depend on them."""

from livesale.web.problems import declare

PROBLEMS = declare(
    unknown_frame=(
        422,
        "Unknown frame type",
        "Client bug: correct the `type` before you reconnect.",
    ),
    out_of_order=(
        422,
        "This frame is out of order",
        "Client bug: send `hello` once, and not after a header with the token.",
    ),
)
