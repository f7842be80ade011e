"""The AsyncAPI document names everything that is sent and read, and nothing else."""

from typing import Any

from msgspec import Struct
from msgspec.structs import fields as fields_of

from livesale.app import EVENTS, FEATURES, NOTICES, SOCKETS
from livesale.feature import frames_of
from livesale.rooms.channel import asyncapi
from livesale.rooms.channel.closes import CLOSES
from livesale.rooms.channel.frames import Frames
from livesale.rooms.channel.messages import MESSAGES
from livesale.rooms.events import kind_of
from tests.livesale.api import Api

FRAMES = Frames(frames_of(FEATURES))
DOCUMENT = asyncapi.describe(FRAMES, EVENTS, SOCKETS, NOTICES)


def test_every_event_message_and_frame_stands_in_it() -> None:
    messages = DOCUMENT["components"]["messages"]
    names = {message["name"] for message in messages.values()}
    kinds = {*EVENTS, *MESSAGES, *FRAMES.kinds.values()}
    kinds |= {kind for sent in SOCKETS.values() for kind in sent}
    assert names == {str(kind.__struct_config__.tag) for kind in kinds}
    assert len(messages) == len(kinds)


def test_every_reference_leads_somewhere() -> None:
    def references(part: Any) -> list[str]:
        if isinstance(part, dict):
            own = [part["$ref"]] if "$ref" in part else []
            return own + [ref for inner in part.values() for ref in references(inner)]
        if isinstance(part, list):
            return [ref for inner in part for ref in references(inner)]
        return []

    for reference in references(DOCUMENT):
        found: Any = DOCUMENT
        for step in reference.removeprefix("#/").split("/"):
            found = found[step]


def test_it_says_why_sockets_are_closed() -> None:
    codes = DOCUMENT["channels"]["room"]["x-close-codes"]
    assert [code["code"] for code in codes] == [close.code for close in CLOSES.values()]


def test_numbered_events_say_their_number_and_their_time() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    for event in EVENTS:
        fields = schemas[event.__name__]["properties"]
        assert {"type", "offset", "at_ms"} <= fields.keys()


def test_an_event_has_its_subject_under_the_noun_of_its_type() -> None:
    for event in EVENTS:
        fields = {field.name: field.type for field in fields_of(event)}
        noun = kind_of(event).partition(".")[0]
        assert issubclass(fields[noun], Struct), event
        assert fields.keys() - {"offset", "at_ms", noun} <= {"items", "version"}, event


def test_a_message_of_the_private_channel_has_every_notice() -> None:
    items = DOCUMENT["components"]["schemas"]["OwnNotices"]["properties"]["events"]["items"]
    names = [ref["$ref"].rpartition("/")[2] for ref in items["oneOf"]]
    assert names == [notice.__name__ for notice in NOTICES]
    schemas = DOCUMENT["components"]["schemas"]
    for notice in NOTICES:
        fields = schemas[notice.__name__]["properties"]
        assert fields.keys() == {"type", "at_ms", kind_of(notice).partition(".")[0]}


async def test_the_service_serves_it(api: Api) -> None:
    reply = await api.get("/asyncapi.json")
    assert (reply.status, reply.body["asyncapi"]) == (200, "3.0.0")
    assert reply.body == DOCUMENT
