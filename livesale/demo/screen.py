"""Keeps the room of a scene like a viewer's screen: only from the room's events."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from livesale.demo.scene import Room, Scene
from livesale.printing.wording import counted
from loadtests.seat import Heard

_NOTES = {
    "drop.opening": "three, two, one …",
    "drop.open": "the drop is open, on every screen at once",
    "drop.sold_out": "nothing is left",
    "drop.returned": "units are on sale again",
    "drop.closed": "the drop is closed",
}


class Screen:
    """Gets the events of all viewers; the first viewer with an event draws it."""

    def __init__(self, scene: Scene, room: Room, drop_id: str, titles: Mapping[str, str]) -> None:
        self._scene = scene
        self._seen = room
        self._drop_id = drop_id
        self._titles = titles
        self._place = 0
        self._draw: dict[str, Callable[[dict[str, Any]], None]] = {
            "room.changed": self._room,
            "room.reset": self._room,
            "item.pinned": self._pin,
            "people": self._people,
            "stock": self._stock,
            "comment": self._comment,
            "bag.opened": self._bag,
            "bag.drawn": self._bag,
        }

    def hear(self, heard: Heard, text: bytes) -> None:
        self._seen.events_told += 1
        if heard.type.startswith("drop.") or heard.type == "stock":
            self._seen.late_ms.append(max(0.0, time.time() * 1000 - heard.at_ms))
        if heard.offset <= self._place:
            return
        self._place = heard.offset
        event = msgspec.json.decode(text)
        if heard.type in self._draw:
            self._draw[heard.type](event)
        elif heard.drop_id == self._drop_id:
            self._drop(heard.type, event["drop"], event["at_ms"])

    def _room(self, event: dict[str, Any]) -> None:
        if event["room"]["state"] != self._seen.state:
            self._seen.state = event["room"]["state"]
            self._scene.tell(f"the room is {self._seen.state}")

    def _pin(self, event: dict[str, Any]) -> None:
        self._seen.pinned = self._titles.get(event["item"]["item_id"], "")
        self._scene.tell(f"the host explains: {self._seen.pinned}")

    def _people(self, event: dict[str, Any]) -> None:
        people, room = event["people"], self._seen
        room.online, room.peak, room.likes = people["online"], people["peak"], people["likes"]

    def _comment(self, event: dict[str, Any]) -> None:
        comment = event["comment"]
        self._seen.comments.append((comment["person_id"], comment["text"]))

    def _stock(self, event: dict[str, Any]) -> None:
        stock, room = event["stock"], self._seen
        if stock["drop_id"] == self._drop_id:
            room.remaining, room.allotted = stock["remaining"], stock["allotted"]

    def _drop(self, kind: str, drop: dict[str, Any], at_ms: int) -> None:
        room = self._seen
        room.remaining, room.allotted = drop["remaining"], drop["allotted"]
        room.drop, room.phase = drop["title"], drop["phase"]
        room.opens_s = self._scene.now_s + (drop["opens_ms"] - at_ms) / 1000
        if kind in _NOTES:
            self._scene.tell(_NOTES[kind])

    def _bag(self, event: dict[str, Any]) -> None:
        bag, room = event["bag"], self._seen
        if bag["state"] == "open":
            room.bag = f"say {bag['phrase']}: {counted(bag['places'], 'prize')}"
            self._scene.tell(f"a lucky bag is open; its commitment is {bag['commitment'][:12]}…")
        else:
            won = counted(len(bag["winners"]), "winner")
            room.bag = f"drawn: {won} of {counted(bag['entries'], 'entry', 'entries')}"
            self._scene.tell(f"the lucky bag is drawn: {won} of {bag['entries']}")
