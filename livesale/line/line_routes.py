"""/v1/drops/{drop_id}/line, and what operators do with it."""

from typing import Annotated

from msgspec import Struct

from livesale.access.actions import Action
from livesale.line.challenges import Altcha
from livesale.line.drafts import LineDrafts, NewLine, OperatorLine
from livesale.line.drawn import LineDraw
from livesale.line.line_draws import LineDraws
from livesale.line.places import PLACE_PATTERN
from livesale.line.service import Places
from livesale.line.shown import MyPlace, PublicLine
from livesale.line.watch import LineNow, LineWatch
from livesale.parts import Parts
from livesale.validation.texts import whole
from livesale.web.problems import ENGINE_PROBLEMS
from livesale.web.routes import Answer, Call, Nothing, Route


class EnterLine(Struct, frozen=True, forbid_unknown_fields=True):
    altcha: Altcha | None = None


class MyPlaceQuery(Struct, frozen=True):
    place: Annotated[str, whole(PLACE_PATTERN, description="`place` of the last answer")] = ""


class LinesQuery(Struct, frozen=True):
    campaign_id: Annotated[str, whole(r"^[0-9a-z]{0,15}$", description="only its drops")] = ""
    drop_id: Annotated[str, whole(r"^[0-9a-z]{0,15}$", description="only this drop")] = ""


class OperatorLines(Struct, frozen=True):
    lines: list[OperatorLine]


async def list_lines(parts: Parts, call: Call) -> Answer:
    query: LinesQuery = call.query
    found = await parts[LineDrafts].list(query.campaign_id, query.drop_id)
    return Answer(200, OperatorLines(found))


async def show_line(parts: Parts, call: Call) -> Answer:
    return Answer(200, await parts[Places].show(call.path["drop_id"]))


async def join_line(parts: Parts, call: Call) -> Answer:
    is_new, place = await parts[Places].join(call.path["drop_id"], call.buyer_id, call.body.altcha)
    return Answer(201 if is_new else 200, place)


async def enter_draw(parts: Parts, call: Call) -> Answer:
    is_new, place = await parts[Places].enter(call.path["drop_id"], call.buyer_id, call.body.altcha)
    return Answer(201 if is_new else 200, place)


async def show_draw(parts: Parts, call: Call) -> Answer:
    return Answer(200, await parts[LineDraws].show(call.path["drop_id"]))


async def show_place(parts: Parts, call: Call) -> Answer:
    drop_id, place = call.path["drop_id"], call.query.place
    return Answer(200, await parts[Places].find(drop_id, call.buyer_id, place))


async def leave_line(parts: Parts, call: Call) -> Answer:
    await parts[Places].leave(call.path["drop_id"], call.buyer_id)
    return Answer(200, Nothing())


async def put_line(parts: Parts, call: Call) -> Answer:
    return Answer(200, await parts[LineDrafts].put(call.path["drop_id"], call.body))


async def show_draft(parts: Parts, call: Call) -> Answer:
    return Answer(200, await parts[LineDrafts].find(call.path["drop_id"]))


async def watch_line(parts: Parts, call: Call) -> Answer:
    return Answer(200, await parts[LineWatch].now(call.path["drop_id"]))


async def remove_line(parts: Parts, call: Call) -> Answer:
    await parts[LineDrafts].remove(call.path["drop_id"])
    return Answer(200, Nothing())


_PATH, _ADMIN = "/v1/drops/{drop_id}/line", "/v1/admin/drops/{drop_id}/line"
_ENTER = (
    *("line_full", "gone", "closed", "still_available"),
    *("insider", "account_too_new", "challenge_required"),
)
_KNOWN = ("unknown_drop", "unknown_line", *ENGINE_PROBLEMS, "store_unavailable")

LINE_ROUTES = [
    Route(
        "GET",
        _PATH,
        show_line,
        "The line in front of a drop",
        "line",
        {200: PublicLine},
        _KNOWN,
        description="At most 250 ms old, whoever asks and how often.",
    ),
    Route(
        "POST",
        _PATH,
        join_line,
        "Join the line",
        "line",
        {201: MyPlace, 200: MyPlace},
        (*_KNOWN, *_ENTER),
        auth="buyer",
        body=EnterLine,
        default_body=EnterLine(),
        description=(
            "201 for a new place, 200 for the one that this buyer has. May be repeated, from any "
            "tab or device. In front of a draw or a waitlist whose drop has a challenge, send its "
            "solution as `altcha`; behind turns it comes with the ticket."
        ),
    ),
    Route(
        "POST",
        "/v1/drops/{drop_id}/entries",
        enter_draw,
        "Enter a draw",
        "line",
        {201: MyPlace, 200: MyPlace},
        (*_KNOWN, *_ENTER, "line_closed"),
        auth="buyer",
        body=EnterLine,
        default_body=EnterLine(),
        description=(
            "For a line of the mode draw, until its drop opens. 201 for a new entry, 200 for the "
            "one that this buyer has. May be repeated. `DELETE …/line` takes it back."
        ),
    ),
    Route(
        "GET",
        "/v1/drops/{drop_id}/draw",
        show_draw,
        "The record of a draw",
        "line",
        {200: LineDraw},
        ("unknown_drop", "unknown_line", "draw_pending", "store_unavailable"),
        description=(
            "Everything that the order follows from. `livesale line check FILE` and the buyer's "
            "page compute it again. It never changes; one of 100,000 entries has 3 MB."
        ),
    ),
    Route(
        "GET",
        f"{_PATH}/me",
        show_place,
        "My place in the line",
        "line",
        {200: MyPlace},
        (*_KNOWN, "no_place"),
        auth="buyer",
        query=MyPlaceQuery,
        description="Ask again after `retry_after_ms`; 0: nothing changes any more.",
    ),
    Route(
        "DELETE",
        _PATH,
        leave_line,
        "Leave the line",
        "line",
        {200: Nothing},
        (*_KNOWN, "no_place"),
        auth="buyer",
        description="May be repeated. Joining again gives a new place at the end.",
    ),
    Route(
        "GET",
        "/v1/admin/lines",
        list_lines,
        "Lines in front of drops, the newest first",
        "admin",
        {200: OperatorLines},
        ("store_unavailable",),
        auth="operator",
        action=Action.DROP_READ,
        query=LinesQuery,
        description="At most 200. Empty for drops without a line.",
    ),
    Route(
        "POST",
        _ADMIN,
        put_line,
        "Put a line in front of a drop",
        "admin",
        {200: OperatorLine},
        (*_KNOWN, "no_tickets", "already_open", "drop_closed", "line_opened"),
        auth="operator",
        action=Action.DROP_CHANGE,
        body=NewLine,
        default_body=NewLine(),
        changes=True,
        description=(
            "Before the drop opens (a waitlist: before it closes), and only if it sells by "
            "tickets. The answer has the commitment to the seed of the order. May be repeated; "
            "the terms can change until the line is open in Redis, because people may have "
            "places then."
        ),
    ),
    Route(
        "GET",
        _ADMIN,
        show_draft,
        "The terms of a line",
        "admin",
        {200: OperatorLine},
        ("unknown_drop", "unknown_line", "store_unavailable"),
        auth="operator",
        action=Action.DROP_READ,
    ),
    Route(
        "GET",
        f"{_ADMIN}/now",
        watch_line,
        "A line as it is now, for operators",
        "admin",
        {200: LineNow},
        _KNOWN,
        auth="operator",
        action=Action.DROP_READ,
        description=(
            "From its opening in Redis until it is archived with its drop. What became of turns "
            "is counted by the keeper once a second."
        ),
    ),
    Route(
        "DELETE",
        _ADMIN,
        remove_line,
        "Take a line away",
        "admin",
        {200: Nothing},
        ("unknown_drop", "unknown_line", "line_opened", "store_unavailable"),
        auth="operator",
        action=Action.DROP_CHANGE,
        changes=True,
        description="Only while the drop is a draft.",
    ),
]
