"""Why there is no link. Codes are stable, because clients depend on them."""

from livesale.links.service import LinkOff, LinkUnavailable
from livesale.web.problems import declare, declare_faults

PROBLEMS = declare(
    no_mini_program=(
        404,
        "There is no mini-program to open, or it has no such page",
        "Show no link. `GET /v1/config` says in `features.mini_program` which pages have one.",
    ),
    link_unavailable=(
        503,
        "WeChat made no link",
        "Show no link, or ask again after `Retry-After`.",
        10,
    ),
)

declare_faults((LinkOff, "no_mini_program"), (LinkUnavailable, "link_unavailable"))
