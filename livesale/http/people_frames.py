"""The frames of people in a room: `comment`, `like`, `opened`. All ask for a buyer's token."""

from livesale.http.frames import BadFrame, ClientFrame, Frames, Viewer
from livesale.http.messages import Commented
from livesale.http.problems import Problem
from livesale.http.rooms_people import take_likes
from livesale.http.rooms_stats import take_opened
from livesale.http.services import Services
from livesale.identity.errors import TokenExpired
from livesale.identity.tokens import Buyer
from livesale.live.comments import SentText
from livesale.live.presence import Taps
from livesale.live.visits import ItemId


class CommentFrame(ClientFrame, frozen=True, kw_only=True, tag="comment"):
    """Say something. Answered by `commented`; others get the event `comment`."""

    text: SentText


class LikeFrame(ClientFrame, frozen=True, kw_only=True, tag="like"):
    """Likes since the frame before. Not answered: the event `people` has the sum of all."""

    count: Taps = 1


class OpenedFrame(ClientFrame, frozen=True, kw_only=True, tag="opened"):
    """The person looks at an item of the shelf. Not answered: the host's numbers count it."""

    item_id: ItemId


async def on_comment(services: Services, viewer: Viewer, frame: CommentFrame) -> None:
    buyer_id = _buyer_of(services, viewer, frame)
    room = await services.rooms.shown(viewer.room_id)
    role = await services.members.role_of_buyer(room, buyer_id)
    said = await services.comments.say(room, buyer_id, role, frame.text)
    viewer.tell(Commented(comment_id=said.comment_id if said else None, ref=frame.ref))


async def on_like(services: Services, viewer: Viewer, frame: LikeFrame) -> None:
    buyer_id = _buyer_of(services, viewer, frame)
    await take_likes(services, viewer.room_id, buyer_id, frame.count)


async def on_opened(services: Services, viewer: Viewer, frame: OpenedFrame) -> None:
    buyer_id = _buyer_of(services, viewer, frame)
    await take_opened(services, viewer.room_id, frame.item_id, buyer_id)


def add_frames(frames: Frames) -> None:
    frames.add(CommentFrame, on_comment)
    frames.add(LikeFrame, on_like)
    frames.add(OpenedFrame, on_opened)


def _buyer_of(services: Services, viewer: Viewer, frame: ClientFrame) -> str:
    """Raises Problem, or BadFrame: a socket may stay open for longer than its token is good."""
    if viewer.caller is None:
        raise Problem("unauthenticated", "Say `hello` with a token first.")
    if not isinstance(viewer.caller, Buyer):
        raise Problem("forbidden", "This is for buyers.")
    try:
        services.signer.check_time(viewer.caller)
    except TokenExpired as fault:
        raise BadFrame(fault.code, str(fault), "unauthenticated", frame.ref) from None
    return viewer.caller.buyer_id
