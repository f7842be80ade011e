"""/v1/rooms/{room_id}: comments, likes, presence, mutes and bans."""

import time
from collections.abc import Sequence

from msgspec import Struct

from livesale.access.actions import Action
from livesale.action_log.record import begin_record
from livesale.identity.profiles.service import Profiles
from livesale.parts import Parts
from livesale.rooms.members import Members, RoomRole
from livesale.rooms.people.comments import Comments, NewComment
from livesale.rooms.people.events import CommentView, PeopleView
from livesale.rooms.people.limits import LikeLimit
from livesale.rooms.people.presence import NewLikes, Presence
from livesale.rooms.people.restrictions import BarList, BarView, NewBar, Restrictions
from livesale.rooms.person_ids import PersonIds
from livesale.rooms.routes import ENGINE, RUN
from livesale.rooms.service import Rooms
from livesale.rooms.states import BarKind
from livesale.tokens.signing import Buyer
from livesale.validation.refusals import Unknown
from livesale.web.routes import (
    Answer,
    Call,
    Handler,
    Nothing,
    PathParameter,
    Route,
    declare_path_parameters,
)
from stock.ids import is_buyer_id

SPEAK = ("unknown_room", "room_over", "banned", "slow_down", *ENGINE, "store_unavailable")


class RoomPerson(Struct, frozen=True):
    person_id: str
    buyer_id: str
    role: RoomRole
    nickname: str | None
    avatar_url: str | None


async def show_people(parts: Parts, call: Call) -> Answer:
    room = await parts[Rooms].shown(call.path["room_id"])
    return Answer(200, await parts[Presence].people(room.room_id))


async def show_person(parts: Parts, call: Call) -> Answer:
    room, known_id = await parts[Rooms].shown(call.path["room_id"]), call.path["known_id"]
    person_ids = parts[PersonIds]
    try:
        buyer_id = person_ids.buyer_of(room.room_id, known_id)
    except Unknown:
        if not is_buyer_id(known_id):
            raise
        buyer_id = known_id
    role = await parts[Members].role_of_buyer(room, buyer_id)
    face = await parts[Profiles].face(buyer_id)
    person_id = person_ids.of(room.room_id, buyer_id)
    return Answer(200, RoomPerson(person_id, buyer_id, role, face.nickname, face.avatar_url))


async def say(parts: Parts, call: Call) -> Answer:
    room = await parts[Rooms].shown(call.path["room_id"])
    role = await parts[Members].role_of_buyer(room, call.buyer_id)
    said = await parts[Comments].say(room, call.buyer_id, role, call.body.text)
    return Answer(201, said) if said else Answer(202, Nothing())


async def delete_comment(parts: Parts, call: Call) -> Answer:
    room = await parts[Rooms].shown(call.path["room_id"])
    role = await parts[Members].role_of(room, call.caller)
    by = call.buyer_id if role is RoomRole.VIEWER and isinstance(call.caller, Buyer) else ""
    if not by:
        await begin_record()
    await parts[Comments].delete(room.room_id, int(call.path["comment_id"]), by)
    return Answer(200, Nothing())


async def like(parts: Parts, call: Call) -> Answer:
    await take_likes(parts, call.path["room_id"], call.buyer_id, call.body.count)
    return Answer(202, Nothing())


async def take_likes(parts: Parts, room_id: str, buyer_id: str, count: int) -> None:
    """Count a buyer's likes, from a frame or a call.

    Raises Problem (slow_down), RoomRefused (room_over, banned), Unknown or StoreUnavailable.
    """
    await parts[Restrictions].admit(await parts[Rooms].shown(room_id), buyer_id)
    parts[LikeLimit].check(buyer_id, count, time.monotonic())
    parts[Presence].like(room_id, count)


def _handlers(kind: BarKind) -> tuple[Handler, Handler, Handler]:
    async def bar(parts: Parts, call: Call) -> Answer:
        room = await parts[Members].admit(call.path["room_id"], call.caller, RoomRole.ASSISTANT)
        buyer_id = parts[PersonIds].buyer_of(room.room_id, call.body.person_id)
        await parts[Members].check_below(room, call.caller, buyer_id)
        found = await parts[Restrictions].set(room.room_id, kind, buyer_id, call.body, call.name)
        return Answer(200, found)

    async def lift(parts: Parts, call: Call) -> Answer:
        room = await parts[Members].admit(call.path["room_id"], call.caller, RoomRole.ASSISTANT)
        buyer_id = parts[PersonIds].buyer_of(room.room_id, call.path["person_id"])
        await parts[Members].check_below(room, call.caller, buyer_id)
        await parts[Restrictions].lift(room.room_id, kind, buyer_id)
        return Answer(200, Nothing())

    async def show(parts: Parts, call: Call) -> Answer:
        await parts[Members].admit(call.path["room_id"], call.caller, RoomRole.ASSISTANT)
        return Answer(200, await parts[Restrictions].list(call.path["room_id"], kind))

    bar.__name__, lift.__name__, show.__name__ = (
        f"{kind}_viewer",
        f"un{kind}_viewer",
        f"list_{kind}s",
    )
    return bar, lift, show


def _bar_routes(kind: BarKind, what: str) -> Sequence[Route]:
    bar, lift, show = _handlers(kind)
    path = f"/v1/rooms/{{room_id}}/{kind}s"
    return (
        Route(
            "POST",
            path,
            bar,
            f"{what} for a while",
            "people",
            {200: BarView},
            ("unknown_member", "room_over", "too_many_members", *RUN),
            auth="member",
            action=Action.ROOM_MODERATE,
            body=NewBar,
            changes=True,
            description="Replaces an earlier one. For host, assistants, operators.",
        ),
        Route(
            "GET",
            path,
            show,
            f"Whom this holds for: {what.lower()}",
            "people",
            {200: BarList},
            ("unknown_room", "not_yours", "store_unavailable"),
            auth="member",
            action=Action.ROOM_READ,
        ),
        Route(
            "DELETE",
            f"{path}/{{person_id}}",
            lift,
            "End it early",
            "people",
            {200: Nothing},
            ("unknown_member", *RUN),
            auth="member",
            action=Action.ROOM_MODERATE,
            changes=True,
            description="May be repeated; it is no error if there is none.",
        ),
    )


declare_path_parameters(
    comment_id=PathParameter(r"^[1-9][0-9]{0,14}$", "unknown_comment", "A comment's number"),
    known_id=PathParameter(
        r"^[A-Za-z0-9_-]{1,75}$", "unknown_member", "A person's id in this room, or a buyer's id"
    ),
)

ROUTES = [
    Route(
        "POST",
        "/v1/rooms/{room_id}/comments",
        say,
        "Post a comment",
        "people",
        {201: CommentView, 202: Nothing},
        ("room_state", "muted", "room_muted", "comment_blocked", *SPEAK),
        auth="buyer",
        body=NewComment,
        description=(
            "The answer is what others see. 202: it was the phrase of the lucky bag; it counts but "
            "is not shown, because the room is too busy or muted. After `outcome_unknown` the "
            "comment may exist: read the events before you post it again."
        ),
    ),
    Route(
        "DELETE",
        "/v1/rooms/{room_id}/comments/{comment_id}",
        delete_comment,
        "Delete a comment",
        "people",
        {200: Nothing},
        ("unknown_comment", *RUN),
        auth="member",
        action=Action.ROOM_MODERATE,
        changes=True,
        description="Your own, or any if you run the room. May be repeated.",
    ),
    Route(
        "POST",
        "/v1/rooms/{room_id}/likes",
        like,
        "Send likes",
        "people",
        {202: Nothing},
        SPEAK,
        auth="buyer",
        body=NewLikes,
        default_body=NewLikes(),
        description="The event `people` has the total, a moment later.",
    ),
    Route(
        "GET",
        "/v1/rooms/{room_id}/people",
        show_people,
        "Viewers now, the peak, and likes",
        "people",
        {200: PeopleView},
        ("unknown_room", *ENGINE, "store_unavailable"),
        description="At most a second old.",
    ),
    Route(
        "GET",
        "/v1/rooms/{room_id}/people/{known_id}",
        show_person,
        "Translate a person id of this room into a buyer id, or back",
        "people",
        {200: RoomPerson},
        ("unknown_room", "unknown_member", "store_unavailable"),
        auth="operator",
        action=Action.PERSON_READ,
        description=(
            "An id that is not a person id of this room counts as a buyer id. The buyer may not "
            "exist."
        ),
    ),
    *_bar_routes(BarKind.MUTE, "Mute a buyer"),
    *_bar_routes(BarKind.BAN, "Ban a buyer"),
]
