"""One line of the audit, and the fault for a check that could not run."""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from livesale.errors import LivesaleError

SHOWN = 5  # examples in a detail


class Check(Struct, frozen=True):
    invariant: str  # I1 to I11, I13, I14, seal, stock, or `log` for the quarantine
    title: str
    ok: bool
    detail: str


class CannotCheck(LivesaleError):
    """A check could not run, so it does not pass. The text is the reason."""


def verdict(invariant: str, title: str, broken: Sequence[str], fine: str) -> Check:
    """A check from its findings: shows the first few, or what was checked."""
    if not broken:
        return Check(invariant, title, True, fine)
    more = f"; and {len(broken) - SHOWN} more" if len(broken) > SHOWN else ""
    return Check(invariant, title, False, "; ".join(broken[:SHOWN]) + more)


def unmade(invariants: Iterable[tuple[str, str]], why: BaseException) -> list[Check]:
    """The checks (invariant, title) that a fault prevented."""
    reason = f"could not be checked: {getattr(why, 'orig', None) or why or type(why).__name__}"
    return [Check(invariant, title, False, reason) for invariant, title in invariants]
