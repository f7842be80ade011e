"""The feature "shares"."""

from livesale.catalogue.pictures.service import Pictures
from livesale.feature import Feature
from livesale.rooms.service import Rooms
from livesale.shares import routes, tables
from livesale.shares.problems import PROBLEMS
from livesale.shares.service import Shares
from livesale.wechat.code_port import MiniCodes
from livesale.wechat.mini_codes import WeChatMiniCodes

feature = Feature(
    name="shares",
    routes=routes.ROUTES,
    problems=PROBLEMS,
    parts={
        MiniCodes: lambda parts: WeChatMiniCodes(parts.deployment.settings),
        Shares: lambda parts: Shares(
            parts.deployment, parts[Rooms], parts[Pictures], parts[MiniCodes]
        ),
    },
    running=(MiniCodes,),
    tables=(tables.shares,),
)
