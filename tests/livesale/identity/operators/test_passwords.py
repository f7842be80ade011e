"""Hashes of passwords: strong, beside the event loop, one at a time; codes that are good once."""

import asyncio

import pytest
from argon2 import PasswordHasher, extract_parameters

from livesale.identity.operators.codes import STEP_S, Codes
from livesale.identity.operators.passwords import MAX_WAITING, Passwords
from livesale.tokens.keyring import Keyring
from livesale.validation.refusals import TooOften

# RFC 6238, appendix B: the time in s, and its code in six digits, for this secret.
SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
KNOWN = [(59, "287082"), (1_111_111_109, "081804"), (1_111_111_111, "050471")]


async def test_a_hash_is_strong_and_the_loop_goes_on_meanwhile() -> None:
    passwords, turns = Passwords(), 0
    task = asyncio.create_task(passwords.hash("correct horse battery"))
    while not task.done():
        turns += 1
        await asyncio.sleep(0)
    hashed = await task
    found = extract_parameters(hashed)
    assert (found.type.name, found.memory_cost, found.time_cost) == ("ID", 65_536, 3)
    assert turns > 10
    assert await passwords.fits("correct horse battery", hashed)
    assert not await passwords.fits("correct horse batterx", hashed)
    assert not await passwords.fits("nobody's", None)
    assert not await passwords.fits("x", "not a hash")
    weak = PasswordHasher(1, 8, 1).hash("x")
    assert (passwords.is_weak(weak), passwords.is_weak(hashed)) == (True, False)


async def test_only_a_few_wait_for_a_hash() -> None:
    passwords = Passwords(PasswordHasher(1, 8, 1))
    given = [passwords.fits("x", None) for _ in range(MAX_WAITING + 3)]
    found = await asyncio.gather(*given, return_exceptions=True)
    assert [isinstance(one, TooOften) for one in found].count(True) == 3
    assert await passwords.fits("x", None) is False


@pytest.mark.parametrize(("at_s", "code"), KNOWN)
def test_codes_are_those_of_the_standard_and_good_once(at_s: int, code: str) -> None:
    codes, step = Codes(Keyring("k1", b"x")), at_s // STEP_S
    assert codes.step_of(SECRET, code, at_s * 1000, step - 1) == step
    assert codes.step_of(SECRET, code, at_s * 1000, step) is None
    # a phone may be a step early or late, not two
    for late, fits in ((-2, False), (-1, True), (1, True), (2, False)):
        found = codes.step_of(SECRET, code, (at_s + late * STEP_S) * 1000, 0)
        assert found == (step if fits else None)
    assert codes.step_of(None, code, at_s * 1000, 0) is None


def test_a_sealed_secret_is_bound_to_the_name_and_to_a_key() -> None:
    codes = Codes(Keyring("k1", b"one"))
    sealed = codes.seal("olga", SECRET)
    assert SECRET not in sealed
    assert codes.open("olga", sealed) == SECRET
    assert codes.open("max", sealed) is None
    assert codes.open("olga", None) is None
    assert Codes(Keyring("k2", b"two", {"k1": b"one"})).open("olga", sealed) == SECRET
    assert Codes(Keyring("k2", b"two")).open("olga", sealed) is None
