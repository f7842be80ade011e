"""`python -m scripts.write_api FOLDER`: writes what the types of the faces are made from.

`openapi.json` describes the API, `messages.json` what sockets send and read. Starts no service.
"""

import sys
from pathlib import Path
from typing import Any

import msgspec

from livesale.app import EVENTS, FEATURES, NOTICES, SOCKETS
from livesale.feature import frames_of, routes_of
from livesale.rooms.channel import asyncapi
from livesale.rooms.channel.frames import Frames
from livesale.web import openapi


def messages() -> dict[str, Any]:
    """The schemas of AsyncAPI as an OpenAPI document: openapi-typescript reads only that."""
    document = asyncapi.describe(Frames(frames_of(FEATURES)), EVENTS, SOCKETS, NOTICES)
    channels = {
        name: [part["$ref"].rpartition("/")[2] for part in channel["messages"].values()]
        for name, channel in document["channels"].items()
    }
    schemas = document["components"]["schemas"]
    for operation, union in (("send_events", "Sent"), ("receive_frames", "Read")):
        found = document["operations"][operation]["messages"]
        names = [part["$ref"].rpartition("/")[2] for part in found]
        assert set(names) <= set(channels["room"])  # noqa: S101  the document is ours
        schemas[union] = {"oneOf": [{"$ref": f"#/components/schemas/{name}"} for name in names]}
    return {
        "openapi": "3.1.0",
        "info": document["info"],
        "paths": {},
        "components": {"schemas": schemas},
    }


def write(folder: Path) -> None:
    """Write both documents, with a stable order."""
    folder.mkdir(parents=True, exist_ok=True)
    documents = {"openapi.json": openapi.describe(routes_of(FEATURES)), "messages.json": messages()}
    for name, document in documents.items():
        raw = msgspec.json.encode(document, order="deterministic")
        (folder / name).write_bytes(msgspec.json.format(raw, indent=1) + b"\n")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
