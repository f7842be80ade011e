"""How buyers behave: they wait, retry by key, and write down what they were told."""

import random

import pytest

from loadtests.history import Claim, Drop, Held, Paid, Restock
from loadtests.insist import TRIES
from loadtests.line import Answer
from loadtests.people.buyer import Buyer, Character
from loadtests.people.operator import Operator
from loadtests.sale import SaleRefused
from tests.loadtests.forged import DROP
from tests.loadtests.script import Notes, Over, ScriptedLine, StoppedTime

SALE = Drop(DROP, 3, 2, 100, 1_030_000)  # opens in 30 s
TOLD = {"reservation_id": "r1", "quantity": 1, "amount_fen": 100}
HELD = Answer(201, "held", TOLD)
REPLAYED = Answer(200, "replayed", TOLD)
LOST = Answer(0, "lost")


def no(status: int, code: str, after_s: float = 0.0) -> Answer:
    return Answer(status, code, {}, after_s)


SOLD_OUT = no(409, "sold_out")


class Scene:
    """One buyer with a token, before a scripted service."""

    def __init__(
        self, *answers: Answer, character: Character | None = None, ends_s: float = 1e9
    ) -> None:
        self.line, self.time, self.notes = ScriptedLine(answers), StoppedTime(ends_s), Notes()
        self.buyer = Buyer(
            self.line,
            self.notes,
            self.time,
            random.Random(7),
            character or Character(),
            name="anna",
            token="ta",
        )


async def test_a_clear_answer_is_asked_for_once() -> None:
    for answer in (HELD, SOLD_OUT, no(403, "over_limit"), no(410, "closed")):
        scene = Scene(answer)
        claim = await scene.buyer.claim(SALE)
        assert claim.codes == [answer.code]
        assert scene.notes.notes == [claim]
        assert scene.time.slept == []


async def test_the_same_key_until_the_answer_is_clear() -> None:
    # given silence, an unknown outcome, a full house; then the reservation of the first request
    scene = Scene(LOST, no(503, "outcome_unknown", 1.0), no(503, "overloaded", 2.0), REPLAYED)
    # when
    claim = await scene.buyer.claim(SALE)
    # then it is one claim with one key
    assert len(set(scene.line.keys())) == 1
    assert scene.line.keys()[0]
    assert claim.codes == ["lost", "outcome_unknown", "overloaded", "replayed"]
    assert claim.answers == [Held("r1", 1, 100, False)]
    assert not claim.unclear
    # and each wait is at least what was asked for
    assert [wait >= least for wait, least in zip(scene.time.slept, (0, 1, 2), strict=True)]


async def test_another_wish_has_another_key() -> None:
    scene = Scene(HELD)
    await scene.buyer.claim(SALE)
    await scene.buyer.claim(SALE)
    assert len(set(scene.line.keys())) == 2


async def test_a_buyer_gives_up_in_the_end_and_does_not_know() -> None:
    scene = Scene(LOST)
    claim = await scene.buyer.claim(SALE)
    assert len(claim.codes) == len(scene.line.asked) == TRIES
    assert claim.unclear
    assert scene.notes.notes == [claim]


async def test_a_test_that_ends_in_the_middle_leaves_a_note() -> None:
    scene = Scene(no(503, "outcome_unknown"), ends_s=0.0)
    with pytest.raises(Over):
        await scene.buyer.claim(SALE)
    [claim] = scene.notes.notes
    assert isinstance(claim, Claim)
    assert claim.unclear


async def test_a_request_that_is_cut_off_may_have_taken_effect() -> None:
    scene = Scene(HELD)

    async def cut(*_: object, **__: object) -> Answer:
        raise Over

    scene.line.ask = cut  # type: ignore[method-assign]
    with pytest.raises(Over):
        await scene.buyer.claim(SALE)
    [claim] = scene.notes.notes
    assert isinstance(claim, Claim)
    assert (claim.codes, claim.unclear) == (["hung_up"], True)


async def test_without_a_key_silence_is_not_asked_again() -> None:
    """A second request would be a second wish."""
    scene = Scene(LOST, HELD, character=Character(keyed=False))
    claim = await scene.buyer.claim(SALE)
    assert (claim.codes, claim.unclear, scene.line.keys()) == (["lost"], True, [""])
    # but what was surely not done is
    scene = Scene(no(503, "overloaded"), HELD, character=Character(keyed=False))
    assert (await scene.buyer.claim(SALE)).codes == ["overloaded", "held"]


async def test_who_repeats_asks_once_more_by_the_same_key() -> None:
    scene = Scene(HELD, REPLAYED, character=Character(repeats=True))
    claim = await scene.buyer.claim(SALE)
    assert [held.created for held in claim.answers] == [True, False]
    assert len(set(scene.line.keys())) == 1
    # and not after a refusal
    scene = Scene(SOLD_OUT, character=Character(repeats=True))
    assert (await scene.buyer.claim(SALE)).codes == ["sold_out"]


async def test_patience_is_for_what_is_sold_out() -> None:
    patient = Character(patience=3, every_s=(1.0, 2.0))
    scene = Scene(SOLD_OUT, SOLD_OUT, HELD, character=patient)
    assert await scene.buyer.buy(SALE) == Held("r1", 1, 100, True)
    assert all(1.0 <= wait <= 2.0 for wait in scene.time.slept)
    assert len(scene.notes.notes) == 3
    # and ends
    scene = Scene(SOLD_OUT, character=patient)
    assert await scene.buyer.buy(SALE) is None
    assert len(scene.notes.notes) == 4
    # nobody waits for what will not come
    scene = Scene(no(403, "over_limit"), character=patient)
    assert await scene.buyer.buy(SALE) is None
    assert len(scene.notes.notes) == 1


async def test_nobody_asks_before_the_opening_by_the_clock_of_the_service() -> None:
    # given a phone whose clock is 10 s behind: the service's says 1,010,000
    scene = Scene(Answer(200, "", {"server_ms": 1_010_000}), character=Character(jitter_s=0.0))
    polled = scene.line.asked

    async def tell(*args: object, **_: object) -> Answer:
        polled.append(args)  # type: ignore[arg-type]
        return Answer(200, "", {"server_ms": scene.time.now_ms() + 10_000})

    scene.line.ask = tell  # type: ignore[method-assign]
    await scene.buyer.wait_for_opening(SALE)
    # then it waits for 20 s, and polls meanwhile
    assert sum(scene.time.slept) == pytest.approx(20.0, abs=0.01)
    assert 5 < len(polled) < 20


async def test_a_thumb_takes_its_moment_and_a_bot_comes_early() -> None:
    late = Scene(no(503, "overloaded"), character=Character(jitter_s=0.5))
    await late.buyer.wait_for_opening(SALE)
    assert sum(late.time.slept) > 30.0
    early = Scene(no(503, "overloaded"), character=Character(jitter_s=0.0, early_s=0.3))
    await early.buyer.wait_for_opening(SALE)
    assert sum(early.time.slept) == pytest.approx(29.7, abs=0.01)


async def test_one_payment_until_it_is_clear() -> None:
    # given a bank whose first answer is lost
    started = Answer(201, "", {"link": "/v1/payments/simulated/r1"})
    scene = Scene(started, LOST, Answer(200, "", {"result": "replayed"}))
    # when
    await scene.buyer.pay(Held("r1", 1, 100, True))
    # then
    assert [asked.name for asked in scene.line.asked] == ["start payment", "pay", "pay"]
    assert scene.notes.notes == [Paid("r1", "replayed")]


async def test_a_payment_that_never_was_clear_is_noted_as_that() -> None:
    started = Answer(201, "", {"link": "/v1/payments/simulated/r1"})
    scene = Scene(started, LOST)
    await scene.buyer.pay(Held("r1", 1, 100, True))
    assert scene.notes.notes == [Paid("r1", "lost")]


async def test_where_wechat_is_the_bank_nobody_pays() -> None:
    scene = Scene(Answer(201, "", {"request_payment": {"package": "prepay_id=1"}}))
    await scene.buyer.pay(Held("r1", 1, 100, True))
    assert [asked.name for asked in scene.line.asked] == ["start payment"]
    assert scene.notes.notes == []


async def test_what_people_do_with_a_hold() -> None:
    for share, path in [("pays", "/v1/reservations/r1/payment"), ("gives_back", "")]:
        mood = {"pays": 0.0, "gives_back": 0.0} | {share: 1.0}
        scene = Scene(no(404, "gateway_off"), character=Character(**mood))
        await scene.buyer.decide(Held("r1", 1, 100, True))
        method = "POST" if path else "DELETE"
        assert (scene.line.asked[0].method, scene.line.asked[0].path) == (
            method,
            path or "/v1/reservations/r1",
        )
    scene = Scene(HELD, character=Character(pays=0.0, gives_back=0.0))
    await scene.buyer.decide(Held("r1", 1, 100, True))
    assert scene.line.asked == []


async def test_logging_in_is_tried_again_and_refused_for_good() -> None:
    session = Answer(201, "", {"token": "t1", "buyer_id": "dev-anna"})
    line, time = ScriptedLine([no(503, "store_unavailable", 2.0), session]), StoppedTime()
    buyer = Buyer(line, Notes(), time, random.Random(7), Character(), name="anna")
    assert await buyer.log_in()
    assert buyer.buyer_id == "dev-anna"
    assert line.asked[0].body == {"provider": "dev", "code": "anna"}
    assert time.slept[0] >= 2.0
    # and where the service knows only WeChat
    line = ScriptedLine([no(403, "provider_off")])
    buyer = Buyer(line, Notes(), time, random.Random(7), Character(), name="anna")
    with pytest.raises(SaleRefused, match="--tokens"):
        await buyer.log_in()


async def test_an_operator_restocks_once() -> None:
    for answers, done in [
        ((LOST, no(503, "overloaded"), Answer(200)), True),
        ((LOST,), None),
        ((no(409, "drop_closed"),), False),
    ]:
        line, notes = ScriptedLine(answers), Notes()
        await Operator(line, notes, StoppedTime(), random.Random(7), "to").restock(SALE, 5)
        assert notes.notes == [Restock(DROP, 5, done)]
        assert len(set(line.keys())) == 1
        assert line.keys()[0]
