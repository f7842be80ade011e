"""Why a file of a face is not sent. Codes are stable, because clients depend on them."""

from livesale.web.problems import declare

PROBLEMS = declare(
    unknown_file=(
        404,
        "There is no such file",
        "Load the page again: it names the files of this version.",
    ),
)
