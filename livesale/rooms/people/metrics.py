"""Metrics of people in rooms."""

from prometheus_client import Counter

from livesale.telemetry.metrics import REGISTRY

COMMENTS = Counter(
    "livesale_room_comments_total",
    "Comments in live rooms: said, counted (only for a lucky bag), or the problem's code",
    ["answer"],
    registry=REGISTRY,
)
LIKES = Counter("livesale_room_likes_total", "Likes accepted in live rooms", registry=REGISTRY)
