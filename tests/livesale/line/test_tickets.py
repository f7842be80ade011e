"""Purchase tickets and the challenge before them: given late, to one, for one, once."""

import asyncio
import base64
import json
import time
from typing import Any

import pytest
from altcha import Challenge, Payload, solve_challenge
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from livesale.app import PARTS
from livesale.line.challenges import Challenges
from livesale.line.signing import TicketSigner
from livesale.resources import Deployment
from livesale.tasks.clock import Clock
from livesale.tokens.errors import ChallengeFailed, TicketInvalid
from livesale.tokens.keyring import Keyring
from stock.model import Ticket
from tests.livesale.api import FAR_MS, Api, Reply, timeless
from tests.livesale.conftest import Serve

SECRET = b"a secret of at least thirty-two bytes"
HOUR_MS = 3_600_000


async def fetch(api: Api, drop_id: str, buyer: str = "ann", **body: Any) -> Reply:
    return await api.post(f"/v1/drops/{drop_id}/tickets", body or None, by=api.buyer(buyer))


async def spend(
    api: Api, drop_id: str, ticket: str | None, buyer: str = "ann", key: str | None = None
) -> Reply:
    headers = {"Idempotency_Key": key} if key else {}
    body = {"quantity": 1} | ({"ticket": ticket} if ticket else {})
    path = f"/v1/drops/{drop_id}/reservations"
    return await api.post(path, body, by=api.buyer(buyer), **headers)


def said(reply: Reply) -> tuple[int, str]:
    return reply.status, "" if reply.status < 300 else reply.code


async def test_a_reservation_by_ticket(api: Api) -> None:
    # given
    drop_id = await api.open_drop(ticket_required=True)
    shown = await api.get(f"/v1/drops/{drop_id}")
    assert shown.body["ticket_required"] is True
    assert said(await spend(api, drop_id, None)) == (403, "ticket_required")
    # when
    issued = await fetch(api, drop_id)
    made = await spend(api, drop_id, issued.body["ticket"], key="k")
    # then
    now_ms = (await api.get("/v1/time")).body["server_ms"]
    assert (issued.status, issued.body["drop_id"]) == (201, drop_id)
    assert now_ms < issued.body["expires_ms"] <= now_ms + 60_000
    assert made.status == 201
    assert (await api.books(drop_id))["redis"]["held"] == 1


async def test_a_retry_is_a_replay_with_the_same_ticket_another_or_none(api: Api) -> None:
    drop_id = await api.open_drop(ticket_required=True)
    one = (await fetch(api, drop_id)).body["ticket"]
    two = (await fetch(api, drop_id)).body["ticket"]
    first = await spend(api, drop_id, one, key="k")
    for ticket in (one, two, None):
        again = await spend(api, drop_id, ticket, key="k")
        assert (again.status, timeless(again.body)) == (200, timeless(first.body))
    assert (await api.books(drop_id))["redis"]["held"] == 1


async def test_a_replayed_ticket(api: Api) -> None:
    # given
    drop_id = await api.open_drop(ticket_required=True)
    ticket = (await fetch(api, drop_id)).body["ticket"]
    # when: a hundred times at once, each with a key of its own or none
    replies = await asyncio.gather(
        *(spend(api, drop_id, ticket, key=f"k{n}" if n % 2 else None) for n in range(30))
    )
    # then
    assert sorted({said(reply) for reply in replies}) == [(201, ""), (409, "ticket_used")]
    assert [reply.status for reply in replies].count(201) == 1
    assert (await api.books(drop_id))["redis"]["held"] == 1


async def test_a_shared_ticket(api: Api) -> None:
    drop_id, other = [await api.open_drop(ticket_required=True) for _ in range(2)]
    ticket = (await fetch(api, drop_id)).body["ticket"]
    assert said(await spend(api, drop_id, ticket, "bob")) == (403, "ticket_invalid")
    assert said(await spend(api, other, ticket)) == (403, "ticket_invalid")
    assert said(await spend(api, drop_id, ticket)) == (201, "")


async def test_a_forged_ticket(api: Api) -> None:
    # given: every character of a good one, each field, another's key, nonsense
    drop_id = await api.open_drop(ticket_required=True)
    good = (await fetch(api, drop_id)).body["ticket"]
    fields = good.split(".")
    altered = [
        ".".join([*fields[:i], str(int(fields[i]) + 1), *fields[i + 1 :]]) for i in (2, 3, 4)
    ]
    foreign = TicketSigner(Keyring("k1", SECRET)).sign(
        Ticket(1, FAR_MS), drop_id=drop_id, buyer_id="ann", epoch=1
    )
    forged = [*altered, foreign, good[:-1], good + "A", "x", "lst1....", api.buyer()[:150]]
    # when, then
    for ticket in forged:
        assert said(await spend(api, drop_id, ticket)) == (403, "ticket_invalid"), ticket
    for ticket in ("", "a b", "x" * 161, "ä"):
        body = {"quantity": 1, "ticket": ticket}
        reply = await api.post(f"/v1/drops/{drop_id}/reservations", body, by=api.buyer())
        assert said(reply) == (422, "invalid_field"), ticket
    assert (await api.books(drop_id))["redis"]["held"] == 0


def test_every_altered_character_is_noticed() -> None:
    signer = TicketSigner(Keyring("k1", SECRET))
    whose: dict[str, Any] = {"drop_id": "d", "buyer_id": "ann", "epoch": 7}
    ticket = Ticket(1_790_000_000_000_123, 1_790_000_060_000)
    text = signer.sign(ticket, **whose)
    assert signer.read(text, **whose) == ticket
    for place in range(len(text)):
        for sign in "0Az.-":
            if text[place] != sign:
                with pytest.raises(TicketInvalid):
                    signer.read(f"{text[:place]}{sign}{text[place + 1 :]}", **whose)
    for change in ({"drop_id": "dann", "buyer_id": ""}, {"buyer_id": "bob"}, {"epoch": 8}):
        with pytest.raises(TicketInvalid):
            signer.read(text, **(whose | change))


def test_two_keys_at_once() -> None:
    old = TicketSigner(Keyring("k1", SECRET))
    new = TicketSigner(Keyring("k2", b"another secret", {"k1": SECRET}))
    whose: dict[str, Any] = {"drop_id": "d", "buyer_id": "ann", "epoch": 1}
    for text in (old.sign(Ticket(1, 2), **whose), new.sign(Ticket(1, 2), **whose)):
        assert new.read(text, **whose) == Ticket(1, 2)
    only_new = TicketSigner(Keyring("k2", b"another secret"))
    with pytest.raises(TicketInvalid):
        only_new.read(old.sign(Ticket(1, 2), **whose), **whose)


async def test_a_ticket_ends_by_redis_s_clock_and_with_a_recovery(api: Api) -> None:
    drop_id = await api.open_drop(ticket_required=True)
    now_ms = await api.deployment.engine.now_ms()
    signer = TicketSigner(Keyring.from_settings(api.deployment.settings))
    whose: dict[str, Any] = {"drop_id": drop_id, "buyer_id": "ann"}
    over = signer.sign(Ticket(now_ms * 1000, now_ms), **whose, epoch=1)
    before = signer.sign(Ticket(now_ms * 1000, FAR_MS), **whose, epoch=0)
    assert said(await spend(api, drop_id, over)) == (403, "ticket_invalid")
    assert said(await spend(api, drop_id, before)) == (403, "ticket_invalid")


async def test_no_ticket_before_the_opening_whatever_the_machine_s_clock_says(
    stage: Deployment, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given: this worker's machine is an hour ahead, the sale opens in ten minutes
    true_time = time.time
    monkeypatch.setattr("livesale.tasks.clock.time.time", lambda: true_time() + 3_600)
    api = await serve(stage)
    opens_ms = await stage.engine.now_ms() + 600_000
    drop_id = await api.open_drop(ticket_required=True, opens_ms=opens_ms, closes_ms=FAR_MS)
    # when
    early = await fetch(api, drop_id)
    # then: Redis's clock decides, here and in `reserve`
    assert (said(early), early.body["opens_ms"]) == ((425, "not_open"), opens_ms)
    assert 590_000 < opens_ms - early.body["server_ms"] < 601_000
    signer = TicketSigner(Keyring.from_settings(stage.settings))
    stolen = signer.sign(Ticket(1, FAR_MS), drop_id=drop_id, buyer_id="ann", epoch=1)
    assert said(await spend(api, drop_id, stolen)) == (425, "not_open")


async def test_no_ticket_while_redis_s_clock_is_not_known(api: Api) -> None:
    drop_id = await api.open_drop(ticket_required=True)
    api.app[PARTS][Clock].known = False
    assert said(await fetch(api, drop_id)) == (503, "overloaded")


@pytest.mark.parametrize(("verb", "code"), [("pause", (409, "paused")), ("close", (410, "closed"))])
async def test_no_ticket_of_a_drop_that_does_not_sell(
    api: Api, verb: str, code: tuple[int, str]
) -> None:
    drop_id = await api.open_drop(ticket_required=True)
    await api.post(f"/v1/admin/drops/{drop_id}/{verb}", by=api.boss)
    assert said(await fetch(api, drop_id)) == code
    assert said(await fetch(api, "nosuch")) == (404, "unknown_drop")


async def test_tickets_count_for_the_buyer_s_rate(stage: Deployment, serve: Serve) -> None:
    limits = stage.settings.limits.model_copy(update={"buyer_per_s": 0.01, "buyer_burst": 2})
    api = await serve(replace(stage, settings=stage.settings.model_copy(update={"limits": limits})))
    drop_id = await api.open_drop(ticket_required=True)
    replies = [await fetch(api, drop_id) for _ in range(3)]
    assert [reply.status for reply in replies] == [201, 201, 429]


# The challenge


async def require(api: Api, drop_id: str, difficulty: int) -> Reply:
    path = f"/v1/admin/drops/{drop_id}/challenge"
    return await api.post(path, {"difficulty": difficulty}, by=api.boss)


async def asked(api: Api, drop_id: str, buyer: str = "ann") -> dict[str, Any]:
    """The challenge, once this worker knows that there is one."""
    while (reply := await fetch(api, drop_id, buyer)).status == 201:  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    assert said(reply) == (403, "challenge_required")
    return dict(reply.body["challenge"])


def solve(challenge: dict[str, Any]) -> str:
    parsed = Challenge.from_dict(challenge)
    found = solve_challenge(parsed)
    assert found is not None
    return Payload(parsed, found).to_base64()


async def test_an_operator_asks_for_a_challenge_during_the_sale(api: Api) -> None:
    # given
    drop_id = await api.open_drop(ticket_required=True)
    assert (await fetch(api, drop_id)).status == 201
    # when
    on = await require(api, drop_id, 20)
    challenge = await asked(api, drop_id)
    issued = await fetch(api, drop_id, altcha=solve(challenge))
    made = await spend(api, drop_id, issued.body["ticket"])
    # then
    assert (on.status, on.body["challenge"]) == (200, 20)
    assert (issued.status, made.status) == (201, 201)
    # and: off again, at any time
    assert (await require(api, drop_id, 0)).body["challenge"] == 0
    while (await fetch(api, drop_id)).status != 201:  # noqa: ASYNC110
        await asyncio.sleep(0.05)


async def test_a_solution_is_good_for_one_reservation(api: Api) -> None:
    # given
    drop_id = await api.open_drop(ticket_required=True)
    await require(api, drop_id, 5)
    solution = solve(await asked(api, drop_id))
    # when: it is sent again and again, each ticket for a reservation of its own
    tickets = [(await fetch(api, drop_id, altcha=solution)).body["ticket"] for _ in range(3)]
    replies = [said(await spend(api, drop_id, ticket)) for ticket in tickets]
    # then
    assert replies == [(201, ""), (409, "ticket_used"), (409, "ticket_used")]


async def test_a_solution_is_the_buyer_s_own(api: Api) -> None:
    drop_id = await api.open_drop(ticket_required=True)
    await require(api, drop_id, 5)
    solution = solve(await asked(api, drop_id))
    reply = await fetch(api, drop_id, "bob", altcha=solution)
    assert (said(reply), "challenge" in reply.body) == ((403, "challenge_required"), True)


async def test_a_challenge_needs_a_drop_with_tickets(api: Api) -> None:
    drop_id = await api.open_drop()
    assert said(await require(api, drop_id, 5)) == (409, "no_tickets")
    assert said(await require(api, "nosuch", 5)) == (404, "unknown_drop")
    assert said(await require(api, drop_id, 10**7)) == (422, "invalid_field")


NOW_MS = int(time.time() * 1000)
CHALLENGES = Challenges(SECRET, (), HOUR_MS)


def made(now_ms: int = NOW_MS, challenges: Challenges = CHALLENGES) -> dict[str, Any]:
    return dict(
        challenges.make(
            drop_id="d", buyer_id="ann", serial=now_ms * 1000, difficulty=3, now_ms=now_ms
        )
    )


def check(solution: str, challenges: Challenges = CHALLENGES, **changes: Any) -> int:
    whose: dict[str, Any] = {"drop_id": "d", "buyer_id": "ann", "now_ms": NOW_MS} | changes
    return challenges.check(solution, **whose)


def test_a_solution_holds_until_the_challenge_ends() -> None:
    solution = solve(made())
    assert check(solution) == NOW_MS * 1000
    assert check(solution, now_ms=NOW_MS + HOUR_MS - 1) == NOW_MS * 1000
    for change in ({"now_ms": NOW_MS + HOUR_MS}, {"drop_id": "e"}, {"buyer_id": "bob"}):
        with pytest.raises(ChallengeFailed):
            check(solution, **change)
    with pytest.raises(ChallengeFailed):  # long ago by every clock
        check(solve(made(NOW_MS - 2 * HOUR_MS)), now_ms=NOW_MS - 2 * HOUR_MS)


def test_challenges_of_two_keys_at_once() -> None:
    new = Challenges(b"another secret", (SECRET,), HOUR_MS)
    assert check(solve(made()), new) == check(solve(made(challenges=new)), new)
    with pytest.raises(ChallengeFailed):
        check(solve(made(challenges=new)))


def test_an_altered_challenge_or_a_wrong_key_solves_nothing() -> None:
    challenge = made()
    good = Payload.from_base64(solve(challenge)).to_dict()
    for name, value in (
        ("cost", 1),
        ("keyPrefix", "00"),
        ("expiresAt", None),
        ("data", {"drop": "d", "buyer": "ann", "serial": 1}),
    ):
        parameters = good["challenge"]["parameters"] | {name: value}
        altered = good["challenge"] | {"parameters": parameters}
        forged = Payload.from_dict(good | {"challenge": altered}).to_base64()
        with pytest.raises(ChallengeFailed):
            check(forged)
    for derived in ("", "00" * 32, "zz"):
        wrong = good | {"solution": good["solution"] | {"derivedKey": derived}}
        with pytest.raises(ChallengeFailed):
            check(Payload.from_dict(wrong).to_base64())


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@given(part=st.sampled_from(["challenge", "parameters", "solution", "data"]), value=anything)
@settings(max_examples=200, deadline=None)
def test_fuzzed_solutions_are_refused(part: str, value: Any) -> None:
    """Whatever stands where our fields stood: a refusal, never a fault."""
    good = Payload.from_base64(SOLVED).to_dict()
    holder = {
        "challenge": good,
        "solution": good,
        "parameters": good["challenge"],
        "data": good["challenge"]["parameters"],
    }[part]
    if holder[part] == value:
        return
    holder[part] = value
    with pytest.raises(ChallengeFailed):
        check(base64.b64encode(json.dumps(good).encode()).decode())


@given(raw=st.text(max_size=60) | st.binary(max_size=60).map(lambda b: b.hex()))
@settings(max_examples=200, deadline=None)
def test_fuzzed_texts_are_refused(raw: str) -> None:
    with pytest.raises(ChallengeFailed):
        check(raw)


SOLVED = solve(made())
