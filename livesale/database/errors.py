"""Faults of the SQL store.

StoreUnavailable    SQL is away, slow, locked or full; the driver's own fault is the cause
SchemaTooNew        the tables are those of a later version of livesale
SchemaDiffers       a migration finds something of the same name that is not its own
"""

from livesale.errors import LivesaleError


class StoreUnavailable(LivesaleError):
    """SQL cannot answer now. A write may or may not stand."""


class SchemaDiffers(LivesaleError):
    """A table, column or index that a migration makes is there already, and is another one."""

    def __init__(self, what: str, found: str) -> None:
        super().__init__(
            f"{what} is there already, but not as this version of livesale makes it: {found}. "
            "Rename or drop what is not of livesale, then run `livesale migrate` again."
        )


class SchemaTooNew(LivesaleError):
    """The tables are at a revision that this version of livesale does not know."""

    def __init__(self, problem: str, cure: str) -> None:
        super().__init__(f"{problem}. {cure}")
