"""The forms of texts that come from outside."""

from typing import Any

from msgspec import Meta

WHOLE_END = r"\Z"

# Controls, separators of lines, and marks that turn the direction of what stands beside them.
_UNSEEN = r"\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff"
# One line for people to read; something in it can be seen.
PROSE_PATTERN = rf"^[^{_UNSEEN}]*[^\s\u200b-\u200d\u2060{_UNSEEN}][^{_UNSEEN}]*$"


def whole(pattern: str, **rest: Any) -> Meta:
    """A `pattern` between ^ and $ that a text must fit from end to end.

    In Python, `$` also fits before a newline at the end. `livesale.web.openapi` says `$` again:
    that of JSON Schema does not.
    """
    return Meta(pattern=pattern.removesuffix("$") + WHOLE_END, **rest)


def prose(**rest: Any) -> Meta:
    """One line of 1 to 200 characters for people."""
    return whole(PROSE_PATTERN, min_length=1, max_length=200, **rest)
