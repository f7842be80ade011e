"""Problems that only operators get. Codes are stable, because clients depend on them."""

from livesale.web.problems import declare

PROBLEMS = declare(
    unknown_check=(
        404,
        "There is no such check",
        "Correct the id: `GET /v1/admin/checks` has the newest ones.",
    ),
    log_too_new=(
        503,
        "A newer version has sold here; only that version can compare the books",
        "Repeat it: a worker of the newer version can answer. "
        "This worker cannot read what the newer version wrote to the log.",
        5,
    ),
)
