"""Ids of people in one room: the service reads them, and nobody follows anybody by them."""

import re

import pytest

from livesale.rooms.person_ids import PERSON_ID_PATTERN, PersonIds
from livesale.tokens.keyring import Keyring
from livesale.validation.refusals import Unknown
from tests.livesale.rooms.conftest import Show

SECRET, NEWER = b"a secret that is long enough to be one", b"another secret, as long as the first"
IDS = PersonIds(Keyring("k1", SECRET))


@pytest.mark.parametrize("buyer_id", ["a", "ann", "x" * 40])
def test_an_id_is_the_same_in_its_room_and_read_there_alone(buyer_id: str) -> None:
    person_id = IDS.of("r1", buyer_id)
    assert re.fullmatch(PERSON_ID_PATTERN, person_id)
    assert person_id == PersonIds(Keyring("k1", SECRET)).of("r1", buyer_id)
    assert person_id != IDS.of("r2", buyer_id)
    assert IDS.buyer_of("r1", person_id) == buyer_id
    with pytest.raises(Unknown, match="member"):
        IDS.buyer_of("r2", person_id)


@pytest.mark.parametrize("wrong", ["", "ann", "x" * 23, "x" * 25, "x" * 76, "é" * 30, "a b" * 10])
def test_what_is_no_id_is_unknown(wrong: str) -> None:
    with pytest.raises(Unknown, match="member"):
        IDS.buyer_of("r1", wrong)


def test_an_id_that_was_altered_is_unknown() -> None:
    person_id = IDS.of("r1", "ann")
    altered = ("B" if person_id[0] == "A" else "A") + person_id[1:]
    with pytest.raises(Unknown, match="member"):
        IDS.buyer_of("r1", altered)


def test_ids_of_an_old_key_are_read_until_it_is_removed() -> None:
    renewed = PersonIds(Keyring("k2", NEWER, {"k1": SECRET}))
    assert renewed.buyer_of("r1", IDS.of("r1", "ann")) == "ann"
    assert renewed.of("r1", "ann") == PersonIds(Keyring("k2", NEWER)).of("r1", "ann")
    with pytest.raises(Unknown, match="member"):
        PersonIds(Keyring("k2", NEWER)).buyer_of("r1", IDS.of("r1", "ann"))


async def test_nobody_is_barred_by_an_id_of_another_room(show: Show) -> None:
    foreign = IDS.of(show.room_id, "ann")
    body = {"person_id": foreign, "seconds": 60}
    for kind in ("mutes", "bans"):
        barred = await show.api.post(f"{show.path}/{kind}", body, by=show.host)
        lifted = await show.api.delete(f"{show.path}/{kind}/{foreign}", by=show.host)
        assert (barred.code, lifted.code) == ("unknown_member", "unknown_member")
    appointed = await show.api.ask("PUT", f"{show.path}/assistants/{foreign}", by=show.host)
    assert appointed.code == "unknown_member"


async def test_operators_are_told_who_a_person_is(show: Show) -> None:
    path = f"{show.path}/people"
    known = {"person_id": show.person("host"), "buyer_id": "host", "role": "host"}
    known |= {"nickname": None, "avatar_url": None}
    for known_id in ("host", show.person("host")):
        assert (await show.api.get(f"{path}/{known_id}", by=show.api.viewer)).body == known
    stranger = await show.api.get(f"{path}/{'x' * 60}", by=show.api.viewer)
    assert stranger.code == "unknown_member"
    assert (await show.api.get(f"{path}/host", by=show.host)).code == "forbidden"
