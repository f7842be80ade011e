"""One line of the audit, and the fault that turns a check into one that could not be made."""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from livesale.errors import LivesaleError

SHOWN = 5  # examples in a detail


class Check(Struct, frozen=True):
    invariant: str  # I1 to I11, or `log` for what is in quarantine
    title: str
    ok: bool
    detail: str


class CannotCheck(LivesaleError):
    """A check could not be made, for the reason it carries: that is never a pass."""


def verdict(invariant: str, title: str, broken: Sequence[str], fine: str) -> Check:
    """A check from what it found broken: the first few findings, or what was looked at."""
    if not broken:
        return Check(invariant, title, True, fine)
    more = f"; and {len(broken) - SHOWN} more" if len(broken) > SHOWN else ""
    return Check(invariant, title, False, "; ".join(broken[:SHOWN]) + more)


def unmade(invariants: Iterable[tuple[str, str]], why: BaseException) -> list[Check]:
    """The checks (invariant, title) that a fault kept from being made."""
    reason = f"could not be checked: {getattr(why, 'orig', None) or why or type(why).__name__}"
    return [Check(invariant, title, False, reason) for invariant, title in invariants]
