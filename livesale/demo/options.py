"""What the demo sells, and to how many."""

from msgspec import Struct

from livesale.printing.wording import counted


class Options(Struct, frozen=True, kw_only=True):
    """Of every demo. `redis` and `sql` are addresses, or None for embedded ones in a temporary
    folder; `json` prints one JSON object and nothing else."""

    workers: int = 4
    redis: str | None = None
    sql: str | None = None
    json: bool = False
    seed: int | None = None

    @property
    def stores(self) -> str:
        """What it runs on, in words."""
        redis = "your Redis" if self.redis not in (None, "embedded") else "embedded Valkey"
        sql = "your SQL" if self.sql not in (None, "embedded") else "embedded SQLite"
        return f"{redis} · {sql}"

    @property
    def cast(self) -> str:
        """Who takes part, in words."""
        raise NotImplementedError


class DemoOptions(Options, frozen=True, kw_only=True):
    """A flash sale. `seconds` is how long the crowd keeps coming."""

    buyers: int = 20_000
    stock: int = 1_000
    seconds: float = 20.0

    @property
    def cast(self) -> str:
        crowd, goods = counted(self.buyers, "buyer"), counted(self.stock, "unit")
        return f"{crowd} · {goods} · {counted(self.workers, 'API worker')}"


class LiveOptions(Options, frozen=True, kw_only=True):
    """A show in a live room."""

    viewers: int = 300
    stock: int = 100
    workers: int = 2

    @property
    def cast(self) -> str:
        crowd, goods = counted(self.viewers, "viewer"), counted(self.stock, "unit")
        return f"live · {crowd} · {goods} · {counted(self.workers, 'API worker')}"


HOLD_MS = 3_000
BUYER_LIMIT = 3
PRICE_FEN = 129_900
EXTRA_S = 20.0  # after `seconds`, for abandoned units to be sold again
CROWDS = 2  # processes that play the crowd
CONNECTIONS = 128  # keep-alive connections of each of them
