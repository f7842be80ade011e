"""How far a long check is: its step, and how many drops of the step are done."""

from collections.abc import Callable, Iterable

from msgspec import Struct

from livesale.ledger.check import Check


class Step(Struct, frozen=True):
    """`drops` is 0 in a step that is not counted by drops."""

    name: str
    number: int  # from 1
    drops_done: int = 0
    drops: int = 0


class Progress:
    """`tell` gets each change, `hear` each check that is made; without them, nobody looks."""

    def __init__(
        self,
        tell: Callable[[Step], None] | None = None,
        hear: Callable[[Check], None] | None = None,
    ) -> None:
        self._tell = tell
        self._hear = hear
        self._step = Step("", 0)

    def begin(self, name: str, drops: int = 0) -> None:
        """The next step begins."""
        self._now(Step(name, self._step.number + 1, 0, drops))

    def count(self, drops: int) -> None:
        """This step is counted by so many drops."""
        self._now(Step(self._step.name, self._step.number, 0, drops))

    def advance(self, drops: int = 1) -> None:
        """So many more drops are done."""
        step = self._step
        done = min(step.drops, step.drops_done + drops)
        self._now(Step(step.name, step.number, done, step.drops))

    def found(self, checks: Iterable[Check]) -> None:
        """These checks are made."""
        if self._hear is not None:
            for check in checks:
                self._hear(check)

    def _now(self, step: Step) -> None:
        self._step = step
        if self._tell is not None:
            self._tell(step)
