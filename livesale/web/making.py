"""Answers of routes that make something, once for each Idempotency-Key."""

from collections.abc import Awaitable, Callable

from livesale.once.creations import Made, Once
from livesale.web.routes import Answer, Call


async def make(
    call: Call,
    kind: str,
    create: Callable[[Once | None], Awaitable[object]],
    find: Callable[[str], Awaitable[object]],
) -> Answer:
    """201 with what `create` makes; 200 with what the key has made before, as it is now.

    `kind` says what is made, and where: a key counts for each kind by itself.
    """
    try:
        return Answer(201, await create(Once.of(kind, call.name, call.key, call.body)))
    except Made as before:
        return Answer(200, await find(before.object_id))
