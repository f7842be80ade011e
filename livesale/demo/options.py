"""What the demo sells, and to how many."""

from msgspec import Struct

from livesale.wording import counted


class DemoOptions(Struct, frozen=True):
    """`seconds` is how long the crowd keeps coming; `redis` and `sql` are addresses, or None for
    embedded ones in a temporary folder; `json` prints one JSON object and nothing else.
    """

    buyers: int = 20_000
    stock: int = 1_000
    seconds: float = 20.0
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
        crowd, goods = counted(self.buyers, "buyer"), counted(self.stock, "unit")
        return f"{crowd} · {goods} · {counted(self.workers, 'API worker')}"


HOLD_MS = 3_000
BUYER_LIMIT = 3
PRICE_FEN = 129_900
EXTRA_S = 20.0  # after `seconds`, for abandoned units to be sold again
CROWDS = 2  # processes that play the crowd
CONNECTIONS = 128  # keep-alive connections of each of them
