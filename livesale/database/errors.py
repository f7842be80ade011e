"""Faults of the SQL store.

StoreUnavailable    SQL is unavailable, slow, locked or full; the driver's fault is the cause
SchemaTooNew        the tables are of a later version of livesale
SchemaDiffers       a migration finds a different object with the same name
"""

from livesale.errors import LivesaleError


class StoreUnavailable(LivesaleError):
    """SQL cannot answer now. A write may or may not have taken effect."""


class SchemaDiffers(LivesaleError):
    """A table, column or index of a migration exists already, in another form."""

    def __init__(self, what: str, found: str) -> None:
        super().__init__(
            f"{what} exists already, but differs from this version of livesale: {found}. "
            "Rename or drop it if it is not from livesale, then run `livesale migrate` again."
        )


class SchemaTooNew(LivesaleError):
    """The tables have a revision that this version of livesale does not know."""

    def __init__(self, problem: str, cure: str) -> None:
        super().__init__(f"{problem}. {cure}")
