"""What the cockpit shows: one message a second, each part of it with its age. No I/O."""

from msgspec import Struct

from livesale.alerts.store import Alert
from livesale.operations.health import Check
from livesale.rooms.channel.messages import Message


class Part(Struct, frozen=True, kw_only=True):
    """`at_ms` is when these figures were true (they may be newer), by this machine's clock; null:
    they were never known. `fault` says why they are old; it is empty while they are fresh."""

    at_ms: int | None = None
    age_ms: int | None = None
    fault: str = ""


class LineFigure(Struct, frozen=True):
    """The line in front of a drop. `waiting` are positions that have not been served."""

    state: str
    waiting: int
    served: int


class DropFigure(Struct, frozen=True):
    """Units of one drop. `expired` are units of holds that expired, as SQL had them at
    `expired_at_ms`; null: not counted yet. `line` is null without one."""

    drop_id: str
    sku_id: str
    room_id: str | None
    state: str
    opens_ms: int
    closes_ms: int
    allotted: int
    remaining: int
    held: int
    sold: int
    burned: int
    expired: int | None
    expired_at_ms: int | None
    line: LineFigure | None = None


class DropFigures(Part, frozen=True, kw_only=True):
    """Drops that may still change, the newest first. `more` others are in
    GET /v1/admin/cockpit/drops."""

    drops: list[DropFigure] = []
    more: int = 0


class Pace(Struct, frozen=True):
    """Requests a second, and how long they took; a time is the upper bound of its bucket. Null: no
    request, or slower than the last bucket."""

    per_s: float
    p50_ms: float | None
    p99_ms: float | None


class ErrorRate(Struct, frozen=True):
    """A code of the table of problems, or of an attempt to reserve, such as SOLD_OUT."""

    code: str
    per_s: float


class RequestFigures(Part, frozen=True, kw_only=True):
    """Of all API workers on this machine, in the last `window_ms`. `other` leaves out sockets and
    long polls. `errors` has the most frequent codes first."""

    window_ms: int | None = None
    workers: int = 0
    silent: list[str] = []  # processes that did not answer
    reserve: Pace | None = None
    other: Pace | None = None
    errors: list[ErrorRate] = []


class StoreFigures(Part, frozen=True, kw_only=True):
    """What /readyz says, and whether a writer and a keeper work on each partition. `lag_entries`,
    `behind_ms`: how far SQL is behind the log."""

    status: str = ""
    checks: dict[str, Check] = {}
    lag_entries: int | None = None
    behind_ms: int | None = None


class PartitionFigure(Struct, frozen=True):
    """`epoch` is what this worker works with, 0 while the partition is closed here; `closed` says
    why."""

    partition: int
    epoch: int
    closed: str


class PartitionFigures(Part, frozen=True, kw_only=True):
    partitions: list[PartitionFigure] = []


class RoomFigure(Struct, frozen=True):
    """`stream` is none, active or silent; `stream_seen_ms`: the last word of the media server."""

    room_id: str
    title: str
    state: str
    online: int | None
    peak: int | None
    likes: int | None
    stream: str
    stream_seen_ms: int | None


class RoomFigures(Part, frozen=True, kw_only=True):
    """Rooms that are on the air or banned, the newest first; `more` says how many are left out."""

    rooms: list[RoomFigure] = []
    more: int = 0


class AlertFigures(Part, frozen=True, kw_only=True):
    """Alerts that last, the newest first: at most 50. GET /v1/admin/alerts has all."""

    alerts: list[Alert] = []


class WorkFigures(Part, frozen=True, kw_only=True):
    """What waits for a person: refunds that failed, or that the gateway has not accepted (the
    oldest since `refunds_since_ms`), log entries in quarantine, after-sale cases to answer. Null:
    not counted yet."""

    refunds_failed: int | None = None
    refunds_waiting: int | None = None
    refunds_since_ms: int | None = None
    quarantined: int | None = None
    cases_asked: int | None = None


class Figures(Message, frozen=True, kw_only=True, tag="figures"):
    """Everything at a glance, once a second. It is whole: a message replaces the one before it."""

    server_ms: int
    drops: DropFigures
    requests: RequestFigures
    stores: StoreFigures
    partitions: PartitionFigures
    rooms: RoomFigures
    alerts: AlertFigures
    work: WorkFigures


class SqlFigures(Part, frozen=True, kw_only=True):
    """What comes from SQL together: all three have the age and the fault of this one."""

    rooms: RoomFigures = RoomFigures()
    alerts: AlertFigures = AlertFigures()
    work: WorkFigures = WorkFigures()


class CockpitHello(Message, frozen=True, kw_only=True, tag="cockpit"):
    """The first message on the socket."""

    operator: str
    every_ms: int
    ping_ms: int  # a client that is silent for three times this is cut off
    server_ms: int
