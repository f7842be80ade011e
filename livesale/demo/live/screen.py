"""Keeps the scene as a viewer's screen is: from the room's own events, and nothing else."""

import time
from collections.abc import Callable
from typing import Any

import msgspec

from livesale.demo.live.scene import LiveScene
from livesale.demo.live.viewer import News
from livesale.printing.wording import counted

_NOTES = {
    "drop.opening": "three, two, one …",
    "drop.open": "the drop is open, on every screen at once",
    "drop.sold_out": "nothing is left",
    "drop.returned": "units are on sale again",
    "drop.closed": "the drop is closed",
}


class Screen:
    """Hears every viewer; the first to be told of an event draws it."""

    def __init__(self, scene: LiveScene, drop_id: str, titles: dict[str, str]) -> None:
        self._scene = scene
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

    def hear(self, news: News, raw: bytes) -> None:
        scene = self._scene
        scene.events_told += 1
        if news.type.startswith("drop.") or news.type == "stock":
            scene.late_ms.append(max(0.0, time.time() * 1000 - news.at_ms))
        if news.offset <= self._place:
            return
        self._place = news.offset
        event = msgspec.json.decode(raw)
        if news.type in self._draw:
            self._draw[news.type](event)
        elif news.drop is not None and news.drop.drop_id == self._drop_id:
            self._drop(news.type, event["drop"], event["at_ms"])

    def _room(self, event: dict[str, Any]) -> None:
        if event["room"]["state"] != self._scene.state:
            self._scene.state = event["room"]["state"]
            self._scene.note(f"the room is {self._scene.state}")

    def _pin(self, event: dict[str, Any]) -> None:
        self._scene.pinned = self._titles.get(event["item"]["item_id"], "")
        self._scene.note(f"the host explains: {self._scene.pinned}")

    def _people(self, event: dict[str, Any]) -> None:
        people, scene = event["people"], self._scene
        scene.online, scene.peak, scene.likes = people["online"], people["peak"], people["likes"]

    def _comment(self, event: dict[str, Any]) -> None:
        comment = event["comment"]
        self._scene.comments.append((comment["person_id"], comment["text"]))

    def _stock(self, event: dict[str, Any]) -> None:
        stock, scene = event["stock"], self._scene
        if stock["drop_id"] == self._drop_id:
            scene.remaining, scene.allotted = stock["remaining"], stock["allotted"]

    def _drop(self, kind: str, drop: dict[str, Any], at_ms: int) -> None:
        scene = self._scene
        scene.remaining, scene.allotted = drop["remaining"], drop["allotted"]
        scene.drop, scene.drop_phase = drop["title"], drop["phase"]
        scene.opens_in_s = (drop["opens_ms"] - at_ms) / 1000
        if kind in _NOTES:
            scene.note(_NOTES[kind])

    def _bag(self, event: dict[str, Any]) -> None:
        bag, scene = event["bag"], self._scene
        if bag["state"] == "open":
            scene.bag = f"say {bag['phrase']}: {counted(bag['places'], 'prize')}"
            scene.note(f"a lucky bag is open; its commitment is {bag['commitment'][:12]}…")
        else:
            won = counted(len(bag["winners"]), "winner")
            scene.bag = f"drawn: {won} of {counted(bag['entries'], 'entry', 'entries')}"
            scene.note(f"the lucky bag is drawn: {won} of {bag['entries']}")
