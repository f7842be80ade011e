"""The parts of one process, by type: what handlers, frames and jobs work with."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from livesale.resources import Deployment

T = TypeVar("T")

Makers = Mapping[type, Callable[["Parts"], Any]]


class Parts:
    """`parts[Drops]` is the one `Drops` of this process. It is made when it is first asked for.

    Each feature says how its parts are made: `livesale.feature.Feature.parts`. A maker may ask for
    the parts of others. Raises LookupError for a type that no feature makes, and for parts that
    need each other.
    """

    def __init__(self, deployment: Deployment, makers: Iterable[Makers] = ()) -> None:
        self.deployment = deployment
        self._made: dict[type, Any] = {}
        self._making: list[type] = []
        self._makers: dict[type, Callable[[Parts], Any]] = {}
        for some in makers:
            if twice := self._makers.keys() & some.keys():
                raise LookupError(f"two features make {_names(twice)}")
            self._makers.update(some)

    def __getitem__(self, kind: type[T]) -> T:
        found = self._made.get(kind)
        return found if found is not None else self._make(kind)

    def __setitem__(self, kind: type[T], part: T) -> None:
        """Use this one, in place of what a feature would make."""
        self._made[kind] = part

    def _make(self, kind: type[T]) -> T:
        if kind in self._making:
            raise LookupError(f"these need each other: {_names([*self._making, kind])}")
        if kind not in self._makers:
            raise LookupError(f"no feature makes {kind.__qualname__}")
        self._making.append(kind)
        try:
            made: T = self._makers[kind](self)
        finally:
            self._making.pop()
        self._made[kind] = made
        return made


def _names(kinds: Iterable[type]) -> str:
    return " → ".join(kind.__qualname__ for kind in kinds)
