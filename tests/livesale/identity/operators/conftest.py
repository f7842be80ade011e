"""Hashes of passwords that cost little: what they cost is in test_passwords."""

import pytest
from argon2 import PasswordHasher

from livesale.identity.operators.passwords import Passwords


@pytest.fixture(autouse=True)
def _quick(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.module.__name__.endswith("test_passwords"):
        return
    monkeypatch.setattr(Passwords.__init__, "__defaults__", (PasswordHasher(1, 8, 1),))
