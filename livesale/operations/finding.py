"""A finding of the doctor, in words."""

from enum import StrEnum

from msgspec import Struct

from livesale.errors import Refused


class Verdict(StrEnum):
    """`NOTE` is information; a `PROBLEM` prevents the start or breaks a promise."""

    GOOD = "good"
    NOTE = "note"
    PROBLEM = "problem"


class Finding(Struct, frozen=True):
    """One check. `cure` says what to do if it is not good."""

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
