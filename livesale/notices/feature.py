"""The feature "notices"."""

from livesale.feature import Feature
from livesale.notices import refund_follower, routes
from livesale.notices.events import NOTICES
from livesale.notices.followers import Followers
from livesale.notices.log_follower import source_of
from livesale.notices.service import Notices
from livesale.parts import Parts
from livesale.tasks.clock import Clock


def _make_notices(parts: Parts) -> Notices:
    partitions = range(parts.deployment.keyspace.partitions)
    awaited = [*map(source_of, partitions), refund_follower.SOURCE]
    return Notices(parts[Clock].now_ms, awaited)


feature = Feature(
    name="notices",
    routes=routes.ROUTES,
    parts={
        Notices: _make_notices,
        Followers: lambda parts: Followers(parts.deployment, parts[Notices], parts[Clock].now_ms),
    },
    running=(Notices, Followers),
    notices=NOTICES,
)
