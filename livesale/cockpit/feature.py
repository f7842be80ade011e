"""The feature "cockpit"."""

from livesale.cockpit import routes
from livesale.cockpit.cockpit import Cockpit
from livesale.cockpit.figures import CockpitHello, Figures
from livesale.cockpit.keeper import GlanceKeeper
from livesale.feature import Feature
from livesale.rooms.channel.messages import Failed, Pong

feature = Feature(
    name="cockpit",
    routes=routes.ROUTES,
    parts={Cockpit: Cockpit},
    running=(Cockpit,),
    jobs={"cockpit": GlanceKeeper},
    sockets={"/v1/admin/cockpit/socket": (CockpitHello, Figures, Pong, Failed)},
)
