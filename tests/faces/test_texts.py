"""Each problem of the service says something to a person, and one thing to do next."""

import json
import re

from livesale.app import FEATURES
from livesale.feature import problems_of
from scripts.faces import BUILT_FROM, FACES, hash_sources

TEXTS = json.loads((FACES / "core/problems/texts.json").read_text(encoding="utf-8"))
CODES = {code: kind.status for code, kind in problems_of(FEATURES).items()}


def test_every_problem_has_a_text_and_every_text_a_problem() -> None:
    """Add a row to `faces/core/problems/texts.json` for a new code: action, Chinese, English."""
    assert set(TEXTS["problems"]) == set(CODES)


def test_every_text_is_in_both_languages_and_names_one_action() -> None:
    for code, (action, chinese, english) in TEXTS["problems"].items():
        assert action in TEXTS["actions"], code
        assert re.search(r"[\u4e00-\u9fff]", chinese), code
        assert chinese.endswith("。"), code
        assert english.isascii(), code
        assert english.endswith("."), code
        assert max(len(chinese), len(english)) <= 90, code
    for labels in TEXTS["actions"].values():
        assert len(labels) == 2
        assert all(labels)
    assert {action for action, *_ in TEXTS["problems"].values()} == set(TEXTS["actions"])


def test_nobody_is_told_that_it_failed_while_the_outcome_is_unknown() -> None:
    assert TEXTS["problems"]["outcome_unknown"][0] == "confirm"
    waiting = {"retry", "wait", "confirm"}
    for code, status in CODES.items():
        if status in (429, 503):
            assert TEXTS["problems"][code][0] in waiting, code


def test_no_lockfile_names_a_registry() -> None:
    for path in FACES.glob("**/package-lock.json"):
        if "node_modules" not in path.parts:
            assert not re.search(r'"resolved"|https?://(?!\S*fund)[\w.]*regist', path.read_text())


def test_the_built_files_are_those_of_the_sources() -> None:
    """`make faces` builds them."""
    assert BUILT_FROM.read_text().strip() == hash_sources()
