"""Tokens: what is signed holds, everything else is refused."""

import base64
import hmac

import pytest

from livesale.access.actions import Action
from livesale.access.roles import Role
from livesale.tokens.errors import TokenExpired, TokenInvalid
from livesale.tokens.signing import Buyer, Operator, TokenSigner

NOW_MS = 1_700_000_000_000
SECRET = b"a secret of thirty-two bytes, or more"


class Watch:
    def __init__(self) -> None:
        self.now_ms = NOW_MS

    def __call__(self) -> int:
        return self.now_ms


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def signer(watch: Watch) -> TokenSigner:
    return TokenSigner("k2", SECRET, {"k1": b"old"}, buyer_ms=1000, operator_ms=500, now_ms=watch)


def test_a_buyer_is_who_the_token_says(signer: TokenSigner) -> None:
    token = signer.buyer("ann-1_Z")
    assert token.startswith(f"ls1.k2.b.ann-1_Z.{NOW_MS + 1000}.")
    assert signer.verify(token) == Buyer("ann-1_Z", NOW_MS + 1000)


def test_an_operator_has_roles(signer: TokenSigner) -> None:
    token = signer.operator("bob", ["viewer", "operator"])
    assert token.startswith(f"ls1.k2.o.bob.operator+viewer.{NOW_MS + 500}.")
    operator = signer.verify(token)
    assert operator == Operator("bob", frozenset({Role.OWNER, Role.VIEWER}), NOW_MS + 500)


def test_tokens_of_programs_are_what_they_were(signer: TokenSigner) -> None:
    # an owner's token says "operator", as the release before reads it, however it is asked for
    tokens = {signer.operator("x", [role]) for role in ("operator", "owner", Role.OWNER)}
    tokens.add(signer.operator("x"))
    assert len(tokens) == 1
    boss, eve = signer.verify(tokens.pop()), signer.verify(signer.operator("x", ["viewer"]))
    assert isinstance(boss, Operator)
    assert isinstance(eve, Operator)
    assert all(boss.may(action) for action in Action)
    assert [eve.may(Action.DROP_CHANGE), eve.may(Action.DROP_READ)] == [False, True]


def test_a_token_ends(signer: TokenSigner, watch: Watch) -> None:
    token = signer.buyer("ann")
    watch.now_ms = NOW_MS + 999
    assert signer.verify(token) == Buyer("ann", NOW_MS + 1000)
    watch.now_ms = NOW_MS + 1000
    with pytest.raises(TokenExpired):
        signer.verify(token)


def test_rotation_accepts_the_old_key_until_it_is_removed(watch: Watch) -> None:
    # given: a token of the key that was
    token = TokenSigner("k1", b"old", now_ms=watch).buyer("ann")
    # then: accepted while the key is among the old ones, and new tokens carry the new key
    rotated = TokenSigner("k2", SECRET, {"k1": b"old"}, now_ms=watch)
    assert rotated.verify(token) == Buyer("ann", NOW_MS + 86_400_000)
    assert rotated.buyer("ann").startswith("ls1.k2.")
    # and: refused afterwards, also when another secret took its name
    for later in (TokenSigner("k2", SECRET), TokenSigner("k2", SECRET, {"k1": b"new"})):
        with pytest.raises(TokenInvalid):
            later.verify(token)


def forgeries() -> list[str]:
    signer = TokenSigner("k2", SECRET, {"k1": b"old"}, now_ms=lambda: NOW_MS)
    good = signer.buyer("ann")
    head, _, mac = good.rpartition(".")
    operator = signer.operator("bob", ["viewer"])
    others = hmac.digest(b"guess", head.encode(), "sha256")
    return [
        "",
        ".",
        "." * 50,
        "ls1",
        head,
        f"{head}.",
        good[:-1],
        f"{good}=",
        f"{good}A",
        f"{good}\n",
        f" {good}",
        good.upper(),
        good.replace("ls1.", "ls2."),
        good.replace(".k2.", ".k1."),
        good.replace(".k2.", ".k9."),
        good.replace(".ann.", ".bob."),
        good.replace(".b.", ".o."),
        good.replace(str(NOW_MS + 86_400_000), str(NOW_MS + 86_400_001)),
        good.replace(".ann.", ".ann.ann."),
        operator.replace(".viewer.", ".operator."),
        operator.replace(".viewer.", ".viewer+operator."),
        f"{head}.{base64.urlsafe_b64encode(others).decode().rstrip('=')}",
        f"{head}.{mac[::-1]}",
        f"{head}.\u00e9{mac[1:]}",
        good.replace("ann", "\uff41nn"),
        good.replace("ann", "a\udcffn"),
        good + "." * 10_000,
        "x" * 100_000,
        "ls1.k2.b.ann.99999999999999.none",
    ]


@pytest.mark.parametrize("token", forgeries(), ids=range(len(forgeries())))
def test_forgeries_are_refused(signer: TokenSigner, token: str) -> None:
    with pytest.raises(TokenInvalid) as refused:
        signer.verify(token)
    assert "ann" not in str(refused.value)


@pytest.mark.parametrize(
    "claims",
    [
        f"b.al|ice.{NOW_MS + 1}",
        f"b..{NOW_MS + 1}",
        f"b.{'x' * 41}.{NOW_MS + 1}",
        f"b.ann.more.{NOW_MS + 1}",
        f"c.ann.{NOW_MS + 1}",
        f"c.ann.viewer.{NOW_MS + 1}",
        "b.ann.soon",
        "b.ann.",
        f"o.bob.{NOW_MS + 1}",
        f"o.bob.boss.{NOW_MS + 1}",
        f"o.bob.viewer+.{NOW_MS + 1}",
        f"o.b b.viewer.{NOW_MS + 1}",
        f"o.bob.viewer.more.{NOW_MS + 1}",
        "o.bob.viewer.1e9",
        "o.bob.viewer.-1 ",
    ],
)
def test_what_is_signed_but_no_token_of_ours_is_refused(signer: TokenSigner, claims: str) -> None:
    with pytest.raises(TokenInvalid):
        signer.verify(signer._signed(claims))


def test_every_single_change_of_a_character_is_refused(signer: TokenSigner) -> None:
    good = signer.operator("bob", ["viewer"])
    for place, letter in enumerate(good):
        for other in "A.b0-":
            if other != letter:
                with pytest.raises(TokenInvalid):
                    signer.verify(good[:place] + other + good[place + 1 :])


@pytest.mark.parametrize("name", ["", "a.b", "a b", "x" * 41, "é", "ann\n"])
def test_names_that_would_change_the_form_are_not_signed(signer: TokenSigner, name: str) -> None:
    with pytest.raises(ValueError, match="not"):
        signer.buyer(name)
    with pytest.raises(ValueError, match="not"):
        signer.operator(name, ["viewer"])


@pytest.mark.parametrize("roles", [[], ["boss"], ["viewer+operator"]])
def test_roles_that_do_not_exist_are_not_signed(signer: TokenSigner, roles: list[str]) -> None:
    with pytest.raises(ValueError, match=r"role|Role"):
        signer.operator("bob", roles)
