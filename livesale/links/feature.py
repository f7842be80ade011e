"""The feature "links"."""

from livesale.catalogue.products.view import ProductsView
from livesale.catalogue.view import CatalogueView
from livesale.feature import Feature
from livesale.links import routes
from livesale.links.problems import PROBLEMS
from livesale.links.service import MiniProgramLinks, Page
from livesale.links.wechat import WeChatLinks
from livesale.parts import Parts
from livesale.rooms.service import Rooms
from livesale.tasks.clock import Clock


def _make_links(parts: Parts) -> MiniProgramLinks:
    checks = {
        Page.ROOM: parts[Rooms].shown,
        Page.DROP: parts[CatalogueView].known,
        Page.PRODUCT: parts[ProductsView].known,
    }
    return MiniProgramLinks(
        parts.deployment.settings, parts[WeChatLinks], checks, parts[Clock].now_ms
    )


feature = Feature(
    name="links",
    routes=routes.ROUTES,
    problems=PROBLEMS,
    parts={
        WeChatLinks: lambda parts: WeChatLinks(parts.deployment.settings),
        MiniProgramLinks: _make_links,
    },
    running=(WeChatLinks,),
)
