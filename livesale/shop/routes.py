"""GET /v1/config"""

from livesale.parts import Parts
from livesale.shop.config import Config, ConfigDocument
from livesale.web.routes import Answer, Call, Route


async def show_config(parts: Parts, call: Call) -> Answer:
    return parts[ConfigDocument].answer(call.asked)


ROUTES = [
    Route(
        "GET",
        "/v1/config",
        show_config,
        "Brand, features, message templates and how to play video",
        "shop",
        {200: Config, 304: bytes},
        description="From the settings: caches may keep it for five minutes, and ask by its ETag.",
        reads_headers=True,
    ),
]
