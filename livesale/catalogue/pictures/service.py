"""Pictures: uploaded once, encoded again, and served by the hash of their content."""

import hashlib
import re
from collections import OrderedDict
from collections.abc import Collection

import msgspec
from msgspec import Struct
from sqlalchemy.exc import IntegrityError

from livesale.action_log.record import note_change
from livesale.catalogue.pictures import store
from livesale.catalogue.pictures.made import MODULE, Encoded, Made
from livesale.catalogue.pictures.media_store import MediaStore
from livesale.catalogue.pictures.store import Picture, PictureFile
from livesale.database.engine import now_ms
from livesale.database.keyset import key_of, next_cursor
from livesale.database.session import session
from livesale.resources import Deployment
from livesale.settings import Settings
from livesale.validation.refusals import SalesFault, Unknown
from livesale.workshop.bench import WorkRefused
from livesale.workshop.workshop import WorkFailed, Workshop

AT_ONCE = 1  # pictures that a worker encodes at once: sales need the processors
TIMEOUT_S = 20.0
MEMORY_MIB = 1_024
MAX_MADE_BYTES = 32 << 20
KEPT_BYTES = 32 << 20  # files that a worker keeps in memory
TYPES = {"webp": "image/webp", "jpeg": "image/jpeg"}
ENDINGS = {"webp": "webp", "jpeg": "jpg"}
_our_name = re.compile(r"[0-9a-f]{32}\.(webp|jpg)").fullmatch


class PictureRefused(SalesFault):
    """Codes: picture_kind, picture_mixed, picture_pixels, picture_broken."""


class PictureView(Struct, frozen=True):
    """A picture in its sizes: thumb, medium, large. `webp` and `jpeg` are URLs of the same
    picture; they never change."""

    picture_id: str
    width: int
    height: int
    sizes: dict[str, PictureFile]
    created_ms: int


class Pictures:
    """One per process. Others may keep pictures here too: of people, or as evidence."""

    def __init__(self, deployment: Deployment, media: MediaStore) -> None:
        self._sql = deployment.sql
        self._media = media
        settings = deployment.settings.media
        self._max_pixels = settings.max_pixels
        self._base = base_of(deployment.settings)
        self._workshop = Workshop(
            MODULE,
            at_once=AT_ONCE,
            timeout_s=TIMEOUT_S,
            memory_mib=MEMORY_MIB,
            most_bytes=MAX_MADE_BYTES,
        )
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._kept_bytes = 0

    async def upload(self, raw: bytes, actor: str) -> tuple[PictureView, bool]:
        """Keep a picture; and whether it is new. The same bytes are the same picture.

        Raises PictureRefused, MediaUnavailable, StoreUnavailable or Crowded.
        """
        picture_id = picture_id_of(raw)
        known = await self.find([picture_id])
        if known:
            return known[picture_id], False
        made = await self._encode(raw)
        files: dict[str, dict[str, str]] = {}
        sides: dict[str, tuple[int, int]] = {}
        for one in made.files:  # the files first: a row never names a file that is missing
            name = name_of(one)
            await self._media.put(name, one.raw, TYPES[one.kind])
            files.setdefault(one.size, {})[one.kind] = name
            sides[one.size] = one.width, one.height
        picture = Picture(
            picture_id,
            made.width,
            made.height,
            {
                size: PictureFile(*sides[size], names["webp"], names["jpeg"])
                for size, names in files.items()
            },
            actor[:80],
            now_ms(),
        )
        try:
            async with session(self._sql, write=True) as connection:
                await store.add_picture(connection, picture)
                note_change(None, picture)
        except IntegrityError:  # somebody else uploaded it meanwhile
            return (await self.find([picture_id]))[picture_id], False
        return self.view(picture), True

    async def find(self, picture_ids: Collection[str]) -> dict[str, PictureView]:
        """Those of these that exist. Raises StoreUnavailable."""
        async with session(self._sql) as connection:
            found = await store.find_pictures(connection, picture_ids)
        return {name: self.view(picture) for name, picture in found.items()}

    async def file(self, name: str) -> bytes:
        """A file of a picture. Raises Unknown("unknown_picture") or MediaUnavailable."""
        kept = self._kept.get(name)
        if kept is not None:
            self._kept.move_to_end(name)
            return kept
        raw = await self._media.get(name)
        if raw is None:
            raise Unknown("unknown_picture")
        self._keep(name, raw)
        return raw

    def view(self, picture: Picture) -> PictureView:
        sizes = {
            size: PictureFile(
                file.width, file.height, f"{self._base}/{file.webp}", f"{self._base}/{file.jpeg}"
            )
            for size, file in picture.files.items()
        }
        return PictureView(
            picture.picture_id, picture.width, picture.height, sizes, picture.created_ms
        )

    async def list(self, after: str, limit: int) -> tuple[list[PictureView], str | None]:
        """The newest first; and the `after` of the next page. Raises StoreUnavailable."""
        async with session(self._sql) as connection:
            found = await store.list_pictures(connection, before=key_of(after), limit=limit)
        cursor = next_cursor(found, limit, lambda one: (one.created_ms, one.picture_id))
        return [self.view(picture) for picture in found], cursor

    async def _encode(self, raw: bytes) -> Made:
        try:
            made = await self._workshop.work(raw, [str(self._max_pixels)])
        except WorkRefused as why:
            raise PictureRefused(why.code, why.detail) from None
        except WorkFailed as why:
            raise PictureRefused("picture_broken", f"It could not be decoded: {why}.") from None
        return msgspec.msgpack.decode(made, type=Made)

    def _keep(self, name: str, raw: bytes) -> None:
        if name in self._kept or len(raw) > KEPT_BYTES // 8:
            return
        self._kept[name] = raw
        self._kept_bytes += len(raw)
        while self._kept_bytes > KEPT_BYTES:
            _, gone = self._kept.popitem(last=False)
            self._kept_bytes -= len(gone)


def picture_id_of(raw: bytes) -> str:
    """The id of a picture: the hash of the bytes that were uploaded."""
    return hashlib.blake2b(raw, digest_size=16).hexdigest()


def base_of(settings: Settings) -> str:
    """Where browsers find our pictures."""
    return settings.media.public_url.rstrip("/") or "/media"


def is_ours(url: str, settings: Settings) -> bool:
    """Whether this is the address of a file that was uploaded here."""
    base, _, name = url.rpartition("/")
    return base == base_of(settings) and _our_name(name) is not None


def name_of(file: Encoded) -> str:
    """The name of a file: the hash of its content."""
    digest = hashlib.sha256(file.raw).hexdigest()[:32]
    return f"{digest}.{ENDINGS[file.kind]}"
