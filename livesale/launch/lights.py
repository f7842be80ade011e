"""The lights of the go/no-go list. No I/O.

A light has a code for each thing that it can say, and facts that fill the text: the console says it
in the operator's language.
"""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

Fact = str | int


class Level(StrEnum):
    GO = "go"
    CAUTION = "caution"  # a person should know it; it does not block
    NO_GO = "no_go"  # it blocks the opening, unless somebody overrides it with a reason


class Name(StrEnum):
    STORES = "stores"
    PARTITIONS = "partitions"
    SQL = "sql"
    WRITER = "writer"
    KEEPER = "keeper"
    TASKS = "tasks"
    MEMORY = "memory"
    CLOCK = "clock"
    DOCTOR = "doctor"
    GATEWAY = "gateway"
    STREAM = "stream"
    TEMPLATES = "templates"
    REMINDERS = "reminders"
    DROPS = "drops"
    LINES = "lines"


class Light(Struct, frozen=True):
    """One line of the list. `code` is `<name>.<what>`, such as `writer.stopped`; `facts` are the
    numbers and names of it; `ms` is how long the check took."""

    name: Name
    level: Level
    code: str
    facts: Annotated[dict[str, Fact], Meta(description="fill the text of the code")] = {}
    ms: int = 0


class LaunchList(Struct, frozen=True):
    """`go`: no light is red. `checked_ms` is when it was checked."""

    go: bool
    checked_ms: int
    lights: list[Light]


def go(name: Name, what: str = "ok", **facts: Fact) -> Light:
    return Light(name, Level.GO, f"{name}.{what}", facts)


def caution(name: Name, what: str, **facts: Fact) -> Light:
    return Light(name, Level.CAUTION, f"{name}.{what}", facts)


def no_go(name: Name, what: str, **facts: Fact) -> Light:
    return Light(name, Level.NO_GO, f"{name}.{what}", facts)
