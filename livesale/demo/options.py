"""The options of the demo."""

from msgspec import Struct

from livesale.printing.wording import counted


class DemoOptions(Struct, frozen=True, kw_only=True):
    """A flash sale with `people` buyers who arrive over `seconds`; with `live`, a show in a live
    room with `people` viewers. `redis` and `sql` are addresses, or None for embedded stores in a
    temporary folder; `json` prints only one JSON object."""

    live: bool = False
    people: int = 20_000
    stock: int = 1_000
    seconds: float = 20.0
    workers: int = 4
    redis: str | None = None
    sql: str | None = None
    json: bool = False
    seed: int | None = None

    @property
    def stores(self) -> str:
        """The stores, in words."""
        redis = "your Redis" if self.redis not in (None, "embedded") else "embedded Valkey"
        sql = "your SQL" if self.sql not in (None, "embedded") else "embedded SQLite"
        return f"{redis} · {sql}"

    @property
    def cast(self) -> str:
        """The size of the demo, in words."""
        crowd = counted(self.people, "viewer" if self.live else "buyer")
        goods = f"{counted(self.stock, 'unit')} · {counted(self.workers, 'API worker')}"
        return f"live · {crowd} · {goods}" if self.live else f"{crowd} · {goods}"
