"""What hangs on an object, so that it cannot be deleted: each feature says it of its own rows."""

from collections.abc import Awaitable, Callable, Mapping, Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.validation.refusals import InUse

# What uses the object with this id, in words, such as "A lucky bag"; None: nothing of this feature.
FindUse = Callable[[AsyncConnection, str], Awaitable[str | None]]


class Uses:
    """By the kind of the object: campaign, drop, room."""

    def __init__(self, finders: Mapping[str, Sequence[FindUse]] | None = None) -> None:
        """Without `finders`, nothing is known to use anything."""
        self._finders = finders or {}

    async def check(self, connection: AsyncConnection, kind: str, object_id: str) -> None:
        """Raises InUse if something uses the object. The caller has locked the object's row."""
        for find in self._finders.get(kind, ()):
            user = await find(connection, object_id)
            if user is not None:
                raise InUse(f"{user} uses the {kind}.")
