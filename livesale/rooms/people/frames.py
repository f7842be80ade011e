"""The frames of people in a room: `comment`, `like`, `opened`. All need a buyer's token."""

from livesale.parts import Parts
from livesale.rooms.channel.frames import BadFrame, ClientFrame, Handle, Viewer
from livesale.rooms.channel.messages import Commented
from livesale.rooms.members import Members
from livesale.rooms.numbers.routes import take_opened
from livesale.rooms.numbers.visits import ItemId
from livesale.rooms.people.comments import Comments, SentText
from livesale.rooms.people.presence import Taps
from livesale.rooms.people.routes import take_likes
from livesale.rooms.service import Rooms
from livesale.tokens.errors import TokenExpired
from livesale.tokens.signing import Buyer, TokenSigner
from livesale.web.problems import Problem


class CommentFrame(ClientFrame, frozen=True, kw_only=True, tag="comment"):
    """Post a comment. Answered by `commented`; others get the event `comment`."""

    text: SentText


class LikeFrame(ClientFrame, frozen=True, kw_only=True, tag="like"):
    """Likes since the last frame. Not answered: the event `people` has the total."""

    count: Taps = 1


class OpenedFrame(ClientFrame, frozen=True, kw_only=True, tag="opened"):
    """The viewer opened an item of the shelf. Not answered: the host's numbers count it."""

    item_id: ItemId


async def on_comment(parts: Parts, viewer: Viewer, frame: CommentFrame) -> None:
    buyer_id = _buyer_of(parts, viewer, frame)
    room = await parts[Rooms].shown(viewer.room_id)
    role = await parts[Members].role_of_buyer(room, buyer_id)
    said = await parts[Comments].say(room, buyer_id, role, frame.text)
    viewer.tell(Commented(comment_id=said.comment_id if said else None, ref=frame.ref))


async def on_like(parts: Parts, viewer: Viewer, frame: LikeFrame) -> None:
    buyer_id = _buyer_of(parts, viewer, frame)
    await take_likes(parts, viewer.room_id, buyer_id, frame.count)


async def on_opened(parts: Parts, viewer: Viewer, frame: OpenedFrame) -> None:
    buyer_id = _buyer_of(parts, viewer, frame)
    await take_opened(parts, viewer.room_id, frame.item_id, buyer_id)


def _buyer_of(parts: Parts, viewer: Viewer, frame: ClientFrame) -> str:
    """Raises Problem, or BadFrame: a socket may stay open after its token expires."""
    if viewer.caller is None:
        raise Problem("unauthenticated", "Send `hello` with a token first.")
    if not isinstance(viewer.caller, Buyer):
        raise Problem("forbidden", "Use a buyer's token.")
    try:
        parts[TokenSigner].check_time(viewer.caller)
    except TokenExpired as fault:
        raise BadFrame(fault.code, str(fault), "unauthenticated", frame.ref) from None
    return viewer.caller.buyer_id


FRAMES: dict[type[ClientFrame], Handle] = {
    CommentFrame: on_comment,
    LikeFrame: on_like,
    OpenedFrame: on_opened,
}
