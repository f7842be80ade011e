"""/v1/me: how others see you; and for operators, to take a bad name away."""

from livesale.access.actions import Action
from livesale.catalogue.pictures.routes import KINDS
from livesale.identity.profiles.avatars import Avatars, max_bytes
from livesale.identity.profiles.service import Profile, ProfileEdit, Profiles
from livesale.parts import Parts
from livesale.web.routes import Answer, Call, PathParameter, Route, declare_path_parameters
from stock.ids import BUYER_ID_PATTERN


async def show_me(parts: Parts, call: Call) -> Answer:
    return Answer(200, await parts[Profiles].find(call.buyer_id))


async def edit_me(parts: Parts, call: Call) -> Answer:
    return Answer(200, await parts[Profiles].change(call.buyer_id, call.body))


async def upload_my_avatar(parts: Parts, call: Call) -> Answer:
    return Answer(200, await parts[Avatars].upload(call.buyer_id, call.raw))


async def show_profile(parts: Parts, call: Call) -> Answer:
    return Answer(200, await parts[Profiles].find(call.path["buyer_id"]))


async def reset_profile(parts: Parts, call: Call) -> Answer:
    return Answer(200, await parts[Profiles].reset(call.path["buyer_id"]))


declare_path_parameters(
    buyer_id=PathParameter(BUYER_ID_PATTERN, "unknown_buyer", "A buyer's id"),
)

_PROFILE = "/v1/admin/buyers/{buyer_id}/profile"

ROUTES = [
    Route(
        "GET",
        "/v1/me",
        show_me,
        "Your nickname and avatar",
        "me",
        {200: Profile},
        ("store_unavailable",),
        auth="buyer",
    ),
    Route(
        "PATCH",
        "/v1/me",
        edit_me,
        "Set your nickname and avatar",
        "me",
        {200: Profile},
        ("name_blocked", "store_unavailable"),
        auth="buyer",
        body=ProfileEdit,
        description=(
            "The name is cleaned like a comment: the answer is what others see. Rooms show it "
            "with your next comment, on other workers within five seconds. `avatar_url` is one "
            "that WeChat gave; for a file of your own, upload it."
        ),
    ),
    Route(
        "POST",
        "/v1/me/avatar",
        upload_my_avatar,
        "Upload a picture as your avatar",
        "me",
        {200: Profile},
        (
            *("picture_kind", "picture_mixed", "picture_pixels", "picture_broken"),
            *("media_unavailable", "store_unavailable"),
        ),
        auth="buyer",
        files=KINDS,
        max_bytes=max_bytes,
        description=(
            "The bytes of the file, or a `multipart/form-data` with one file, as `wx.uploadFile` "
            "sends it after `chooseAvatar`; at most 5 MiB. Encoded again, without what else the "
            "file has. Five at once, then one in ten minutes."
        ),
    ),
    Route(
        "GET",
        _PROFILE,
        show_profile,
        "Nickname and avatar of a buyer",
        "admin",
        {200: Profile},
        ("unknown_buyer", "store_unavailable"),
        auth="operator",
        action=Action.PERSON_READ,
        description="Empty for a buyer who set nothing, and for one who does not exist.",
    ),
    Route(
        "DELETE",
        _PROFILE,
        reset_profile,
        "Take nickname and avatar of a buyer away",
        "admin",
        {200: Profile},
        ("unknown_buyer", "store_unavailable"),
        auth="operator",
        action=Action.PERSON_RESET,
        changes=True,
        description="May be repeated. Comments that were shown before keep the name.",
    ),
]
