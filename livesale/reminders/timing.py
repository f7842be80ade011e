"""When a message about a room or a drop goes out, and when it is too late. No I/O.

It goes out from `ahead_s` before the beginning until a short time after it; at once if a room goes
live early, or a drop opens with a short countdown. While the beginning is uncertain, the message
waits: for a banned or paused room, and for a drop that is a draft or paused.
"""

from enum import Enum

from livesale.ledger.states import DRAFT, OPENING
from livesale.reminders.store import HOLD, ROOM, Target
from livesale.rooms.states import OVER, RoomState
from livesale.settings import ReminderSettings
from stock.model import DropState


class Verdict(Enum):
    NOT_YET = "not yet"
    DUE = "due"
    MISSED = "missed"  # it began too long ago
    CANCELLED = "cancelled"  # it is over or will never begin


class Timing:
    def __init__(self, settings: ReminderSettings) -> None:
        self._ahead_ms = settings.ahead_s * 1000
        self._late_ms = settings.late_s * 1000

    def judge(self, target: Target, now_ms: int) -> Verdict:
        """What to do with the reminders of this target."""
        if target.kind == ROOM:
            return self._judge_room(target, now_ms)
        if target.kind == HOLD:
            return self._judge_hold(target)
        return self._judge_drop(target, now_ms)

    def remind_ms(self, target: Target) -> int:
        """The planned time of the message."""
        if target.kind == HOLD:
            return target.begins_ms  # nobody knows: at the opening at the earliest
        return max(0, target.begins_ms - self._ahead_ms)

    def _judge_room(self, target: Target, now_ms: int) -> Verdict:
        state = RoomState(target.state)
        if state in OVER:
            return Verdict.CANCELLED
        if target.began_ms is not None and now_ms > target.began_ms + self._late_ms:
            return Verdict.MISSED
        if state is RoomState.SCHEDULED:
            if now_ms > target.begins_ms + self._late_ms:
                return Verdict.NOT_YET  # its host is late: send when it goes live
            return Verdict.DUE if now_ms >= self.remind_ms(target) else Verdict.NOT_YET
        return Verdict.DUE if state is RoomState.LIVE else Verdict.NOT_YET

    def _judge_hold(self, target: Target) -> Verdict:
        """Whose unit is held is told at once; who that is, the claim asks."""
        if target.state == DropState.CLOSED:
            return Verdict.CANCELLED
        return Verdict.NOT_YET if target.state in (DRAFT, OPENING) else Verdict.DUE

    def _judge_drop(self, target: Target, now_ms: int) -> Verdict:
        if target.state == DropState.CLOSED or (target.closes_ms or 0) <= now_ms:
            return Verdict.CANCELLED
        if target.state in (DRAFT, OPENING):
            return Verdict.NOT_YET
        if now_ms > target.begins_ms + self._late_ms:
            return Verdict.MISSED
        if target.state != DropState.OPEN or now_ms < self.remind_ms(target):
            return Verdict.NOT_YET
        return Verdict.DUE


def has_begun(target: Target, now_ms: int) -> bool:
    """Whether a drop is on sale."""
    return target.state not in (DRAFT, OPENING) and target.begins_ms <= now_ms
