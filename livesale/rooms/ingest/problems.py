"""Problems of streams and hooks. Codes are stable, because clients depend on them."""

from livesale.web.problems import declare

PROBLEMS = declare(
    malformed_hook=(
        400,
        "This is not a call of a media server",
        "Configure the media server as in [ingest](ingest.md#hooks).",
    ),
    publish_key_invalid=(
        403,
        "This publish key is invalid or has expired",
        "Get a new one with `GET /v1/rooms/{id}/publish`.",
    ),
    hook_refused=(
        403,
        "This call does not come from a known media server",
        "Check the secret and the address of the media server: [ingest](ingest.md#hooks).",
    ),
    ingest_off=(
        404,
        "No media server is configured",
        "Nothing to do: `LIVESALE__INGEST__PUSH_URL` is not set.",
    ),
    stream_taken=(
        409,
        "Another stream of this room is active",
        "End the other stream, or wait until it counts as gone (`ingest.silence_ms`).",
    ),
    stream_ended=(
        409,
        "This stream has ended, or another has replaced it",
        "Push again: this starts a new stream.",
    ),
)
