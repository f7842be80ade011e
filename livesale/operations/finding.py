"""What a look at a deployment found, in words."""

from enum import StrEnum

from msgspec import Struct

from livesale.errors import Refused


class Verdict(StrEnum):
    """`NOTE` is worth knowing, `PROBLEM` keeps livesale from starting or from its promises."""

    GOOD = "good"
    NOTE = "note"
    PROBLEM = "problem"


class Finding(Struct, frozen=True):
    """One thing that was looked at. `cure` says what to do where it is not good."""

    topic: str
    verdict: Verdict
    text: str
    cure: str = ""


def good(topic: str, text: str) -> Finding:
    return Finding(topic, Verdict.GOOD, text)


def note(topic: str, text: str, cure: str) -> Finding:
    return Finding(topic, Verdict.NOTE, text, cure)


def problem(topic: str, text: str, cure: str) -> Finding:
    return Finding(topic, Verdict.PROBLEM, text, cure)


def refused(topic: str, refusal: Refused) -> Finding:
    return problem(topic, f"{refusal.setting}: {refusal.problem}", refusal.cure)
