"""Categories by path, such as 食品/茶叶. Few: everybody gets all of them at once."""

from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType, structs
from sqlalchemy import ColumnElement, and_, delete, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.action_log.record import note_change
from livesale.catalogue.products.tables import categories, products
from livesale.catalogue.skus.service import Title
from livesale.database.engine import now_ms
from livesale.database.errors import StoreUnavailable
from livesale.database.session import session
from livesale.resources import Deployment
from livesale.tasks.ttl_cache import TtlCache
from livesale.validation.refusals import InvalidField, SalesFault, Unknown
from livesale.validation.texts import whole
from stock.ids import new_id

MAX_CATEGORIES = 1_000
_SEGMENT = r"[0-9A-Za-z\u3400-\u9fff][0-9A-Za-z\u3400-\u9fff_-]{0,29}"
PATH_PATTERN = rf"^{_SEGMENT}(/{_SEGMENT}){{0,4}}$"

Path = Annotated[
    str,
    whole(
        PATH_PATTERN,
        max_length=154,
        description="up to five names with / between them",
        examples=["food/tea"],
    ),
]
Position = Annotated[int, Meta(ge=0, le=1_000_000, description="the smallest is shown first")]


class CategoryRefused(SalesFault):
    """Codes: category_taken, category_used, too_many_categories."""


class Category(Struct, frozen=True):
    """`path` is that of its parent, `/`, and its own name."""

    category_id: str
    path: str
    title: str
    position: int
    created_ms: int


class NewCategory(Struct, frozen=True, forbid_unknown_fields=True):
    path: Path
    title: Title
    position: Position = 0


class CategoryEdit(Struct, frozen=True, forbid_unknown_fields=True):
    """What is missing stays as it is. Another path moves what is in it, too."""

    path: Path | UnsetType = UNSET
    title: Title | UnsetType = UNSET
    position: Position | UnsetType = UNSET


_ALL = select(*[categories.c[name] for name in Category.__struct_fields__])


class Categories:
    """All raise StoreUnavailable."""

    def __init__(self, deployment: Deployment) -> None:
        self._sql = deployment.sql
        self._cache = TtlCache(self._load, ttl_s=1.0, stale_on=(StoreUnavailable,))

    async def all(self) -> list[Category]:
        """Each after its parent, then by position and path; at most a second old."""
        return await self._cache.get("") or []

    async def create(self, new: NewCategory) -> Category:
        """Raises CategoryRefused, or InvalidField if there is no parent."""
        made = Category(new_id(), new.path, new.title, new.position, now_ms())
        async with session(self._sql, write=True) as connection:
            count = await connection.scalar(select(func.count()).select_from(categories))
            if (count or 0) >= MAX_CATEGORIES:
                detail = f"A shop has at most {MAX_CATEGORIES} categories."
                raise CategoryRefused("too_many_categories", detail)
            await _check_parent(connection, new.path)
            await _write(connection, new.path, insert(categories).values(structs.asdict(made)))
            note_change(None, made)
        return made

    async def edit(self, category_id: str, changes: CategoryEdit) -> Category:
        """Change or move a category with all that is in it.

        Raises Unknown, CategoryRefused (category_taken), or InvalidField if it would be in itself,
        have no parent, or be too deep.
        """
        given = {
            name: value for name, value in structs.asdict(changes).items() if value is not UNSET
        }
        async with session(self._sql, write=True) as connection:
            before = await _lock(connection, category_id)
            after = structs.replace(before, **given)
            if after.path != before.path:
                if after.path.startswith(f"{before.path}/"):
                    raise InvalidField("path", "A category cannot be in itself.")
                await _check_parent(connection, after.path)
                await _move(connection, before.path, after.path)
            await connection.execute(
                update(categories)
                .where(categories.c.category_id == category_id)
                .values(title=after.title, position=after.position)
            )
            note_change(before, after)
        return after

    async def remove(self, category_id: str) -> Category:
        """Raises Unknown or CategoryRefused (category_used)."""
        async with session(self._sql, write=True) as connection:
            found = await _lock(connection, category_id)
            inner = await connection.scalar(select(func.count()).where(_inside(found.path)))
            used = await connection.execute(
                select(products.c.product_id).where(products.c.category == found.path).limit(1)
            )
            if inner or used.first() is not None:
                raise CategoryRefused("category_used", "It has products or categories in it.")
            await connection.execute(
                delete(categories).where(categories.c.category_id == category_id)
            )
            note_change(found, None)
        return found

    async def _load(self, _key: str) -> list[Category]:
        async with session(self._sql) as connection:
            found = [Category(*row) for row in await connection.execute(_ALL)]
        places = {one.path: (one.position, one.path) for one in found}

        def place(category: Category) -> list[tuple[int, str]]:
            parts = category.path.split("/")
            paths = ["/".join(parts[: end + 1]) for end in range(len(parts))]
            return [places.get(path, (0, path)) for path in paths]

        return sorted(found, key=place)


async def check_category(connection: AsyncConnection, path: str) -> None:
    """Raises InvalidField unless there is such a category, or the path is empty."""
    if path and not await connection.scalar(select(func.count()).where(categories.c.path == path)):
        raise InvalidField("category", "There is no such category.")


def _inside(path: str) -> ColumnElement[bool]:
    """Categories in this one: a range, because LIKE ignores case on SQLite. `0` follows `/`."""
    return and_(categories.c.path > f"{path}/", categories.c.path < f"{path}0")


async def _lock(connection: AsyncConnection, category_id: str) -> Category:
    query = _ALL.where(categories.c.category_id == category_id).with_for_update()
    row = (await connection.execute(query)).first()
    if row is None:
        raise Unknown("unknown_category")
    return Category(*row)


async def _check_parent(connection: AsyncConnection, path: str) -> None:
    parent, _, _ = path.rpartition("/")
    if parent and not await connection.scalar(
        select(func.count()).where(categories.c.path == parent)
    ):
        raise InvalidField("path", f"There is no category {parent}.")


async def _move(connection: AsyncConnection, before: str, after: str) -> None:
    """Give a category and all in it other paths, and their products too."""
    inner = or_(categories.c.path == before, _inside(before))
    rows = await connection.execute(
        select(categories.c.category_id, categories.c.path).where(inner)
    )
    at_ms = now_ms()
    for category_id, path in rows.all():
        moved = after + path[len(before) :]
        if moved.count("/") > 4:
            raise InvalidField("path", f"{path} would be too deep.")
        await _write(
            connection,
            moved,
            update(categories).where(categories.c.category_id == category_id).values(path=moved),
        )
        await connection.execute(
            update(products)
            .where(products.c.category == path)
            .values(category=moved, version=products.c.version + 1, updated_ms=at_ms)
        )


async def _write(connection: AsyncConnection, path: str, statement: Any) -> None:
    if await connection.scalar(select(func.count()).where(categories.c.path == path)):
        raise CategoryRefused("category_taken", f"There is a category {path}.")
    try:
        await connection.execute(statement)
    except IntegrityError:  # another request was faster
        raise CategoryRefused("category_taken", f"There is a category {path}.") from None
