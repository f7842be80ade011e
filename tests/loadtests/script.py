"""A service that answers from a script, and a clock that stands still but for sleeping."""

from collections.abc import Iterable

from loadtests.history import Note
from loadtests.line import Answer, Line, Request


class ScriptedLine(Line):
    """Gives the answers in order; the last one for ever."""

    def __init__(self, answers: Iterable[Answer]) -> None:
        self._answers = list(answers)
        self.asked: list[Request] = []

    async def carry(self, request: Request) -> Answer:
        self.asked.append(request)
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]

    def keys(self) -> list[str]:
        return [asked.key for asked in self.asked]


class StoppedTime:
    """`ends_s`: after so much sleep the test is over, and whoever sleeps is thrown out."""

    def __init__(self, ends_s: float = 1e9) -> None:
        self.slept: list[float] = []
        self._now_ms = 1_000_000.0
        self._ends_s = ends_s

    def now_ms(self) -> float:
        return self._now_ms

    async def sleep(self, seconds: float) -> None:
        if sum(self.slept) + seconds > self._ends_s:
            raise Over
        self.slept.append(seconds)
        self._now_ms += seconds * 1000


class Over(Exception):
    """The test has ended."""


class Notes:
    """A journal in memory."""

    def __init__(self) -> None:
        self.notes: list[Note] = []

    def note(self, note: Note) -> None:
        self.notes.append(note)

    def count(self, line: str) -> None:
        raise AssertionError("people count nothing: what carries their requests does")
