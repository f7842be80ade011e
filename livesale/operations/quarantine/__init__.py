"""Log entries in quarantine: replay the right ones, dismiss the wrong ones."""

from livesale.operations.quarantine.places import Place, UnknownEntry, parse_place
from livesale.operations.quarantine.put import dismiss, put_aside
from livesale.operations.quarantine.replays import Outcome, Result, all_aside, find, replay

__all__ = [
    "Outcome",
    "Place",
    "Result",
    "UnknownEntry",
    "all_aside",
    "dismiss",
    "find",
    "parse_place",
    "put_aside",
    "replay",
]
