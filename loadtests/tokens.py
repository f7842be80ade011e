"""Buyers' tokens from a file, as `livesale token --buyers N` prints them."""

from pathlib import Path


class NoTokens(Exception):
    """There are no buyers for the load."""


def read_tokens(path: Path) -> list[str]:
    """The lines of the file: a token, or an id and a token. Raises NoTokens."""
    try:
        lines = [line.strip() for line in path.read_text(encoding="ascii").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise NoTokens(f"cannot read tokens from {path}: {error}.") from None
    found = [line for line in lines if line]
    if not found:
        raise NoTokens(f"{path} has no tokens.")
    return found
