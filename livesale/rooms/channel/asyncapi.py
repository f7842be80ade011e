"""The AsyncAPI 3.0 document of the sockets, made from the types of its messages."""

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

import msgspec
from msgspec import Struct

from livesale.notices.events import OwnNotices
from livesale.rooms.channel.channel import SnapshotMessage
from livesale.rooms.channel.closes import CLOSES
from livesale.rooms.channel.frames import Frames
from livesale.rooms.channel.greetings import Ping
from livesale.rooms.channel.messages import MESSAGES
from livesale.rooms.channel.routes import SnapshotView
from livesale.rooms.events import Event
from livesale.web.openapi import spell_patterns

_REF = "#/components/schemas/{name}"
_CHANNEL = "room"
HOST = "/v1/rooms/{room_id}/host/socket"
_ABOUT = """The numbered events of a live room, in order.

The first message is `hello`; then come the events that the client missed, or a `snapshot` and the
events after it. `offset` rises by one from event to event within one `epoch`. A client that finds a
gap reconnects with its place.

A client that asks for it (`mine`) also gets the messages `mine`, with what happens to its own
reservations and refunds. Nobody else gets those."""

# A snapshot on the wire consists of parts that are encoded already, in the form of these views.
_SHOWN: dict[type[Struct], type[Struct]] = {SnapshotMessage: SnapshotView}


def describe(
    frames: Frames,
    events: Sequence[type[Event]],
    sockets: Mapping[str, Sequence[type[Struct]]] | None = None,
    notices: Sequence[type[Struct]] = (),
) -> dict[str, Any]:
    """The document, with every frame that this service reads; `sockets` are those beside the
    rooms', by path. They read `ping`. `notices` are the events of private channels."""
    others = sockets or {}
    sent: list[type[Struct]] = [_SHOWN.get(kind, kind) for kind in MESSAGES]
    sent += events
    read: list[type[Struct]] = list(frames.kinds.values())
    types = list(dict.fromkeys([*sent, *(kind for one in others.values() for kind in one), *read]))
    of_room = [kind.__name__ for kind in (*sent, *read)]
    schemas, components = msgspec.json.schema_components([*types, *notices], ref_template=_REF)
    spell_patterns(components)
    refs = dict(zip([*types, *notices], schemas, strict=True))
    # In Python, features that bring notices are not known to the type of their message.
    own = components[OwnNotices.__name__]["properties"]["events"]
    own["items"] = {"oneOf": [refs[kind] for kind in notices]}
    messages = {kind.__name__: _message(kind, refs[kind], components) for kind in types}
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "livesale rooms", "version": version("livesale"), "description": _ABOUT},
        "defaultContentType": "application/json",
        "channels": {
            _CHANNEL: {
                "address": "/v1/rooms/{room_id}/socket",
                "title": "One room",
                "parameters": {"room_id": {"description": "A room's id"}},
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in of_room},
                "bindings": {"ws": {"method": "GET", "query": _QUERY}},
                "x-close-codes": [
                    {"code": close.code, "reason": close.reason, "advice": close.advice}
                    for close in CLOSES.values()
                ],
            },
            _name_of(HOST): {
                **_describe_socket(HOST, sent),
                "title": "One room, for an operator who hosts it: the socket is a heartbeat",
                "parameters": {"room_id": {"description": "A room's id"}},
            },
            **{_name_of(path): _describe_socket(path, kinds) for path, kinds in others.items()},
        },
        "operations": {
            "send_events": _operation("send", "Messages from the service", sent),
            "receive_frames": _operation("receive", "Frames from a client", read),
            "send_events_to_host": _operation("send", "Messages to who hosts", sent, HOST),
            **{
                f"send_{_name_of(path)}": _operation("send", f"Messages of {path}", kinds, path)
                for path, kinds in others.items()
            },
        },
        "components": {"messages": messages, "schemas": components},
    }


_QUERY = {
    "type": "object",
    "properties": {
        "epoch": {"type": "string", "description": "epoch of the client's last event"},
        "after": {"type": "integer", "description": "offset of that event"},
        "mine": {"type": "string", "description": "`place` of the last message `mine`, or `new`"},
    },
}


def _message(kind: type[Struct], ref: Any, components: dict[str, Any]) -> dict[str, Any]:
    about = components[kind.__name__].get("description", "")
    return {
        "name": str(kind.__struct_config__.tag),
        "title": kind.__name__,
        "summary": about,
        "payload": ref,
    }


def _name_of(path: str) -> str:
    """`/v1/admin/cockpit/socket` is the channel `cockpit`."""
    return path.split("/")[-2]


def _describe_socket(path: str, kinds: Sequence[type[Struct]]) -> dict[str, Any]:
    """A socket for operators: a bearer token or the cookie of a session is required."""
    names = [*(kind.__name__ for kind in kinds), Ping.__name__]
    return {
        "address": path,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
        "bindings": {"ws": {"method": "GET"}},
    }


def _operation(
    action: str, summary: str, kinds: Sequence[type[Struct]], path: str = ""
) -> dict[str, Any]:
    channel = f"#/channels/{_name_of(path) if path else _CHANNEL}"
    return {
        "action": action,
        "summary": summary,
        "channel": {"$ref": channel},
        "messages": [{"$ref": f"{channel}/messages/{kind.__name__}"} for kind in kinds],
    }
