"""A buyer asks for a reminder of a room or a drop, reads its state, and cancels it."""

from collections.abc import Callable
from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.database.session import session
from livesale.line.store import find_line
from livesale.reminders import store
from livesale.reminders.store import DROP, HOLD, ROOM, Reminder, Target
from livesale.reminders.timing import Timing, has_begun
from livesale.resources import Deployment
from livesale.rooms.service import room_over
from livesale.rooms.states import OVER, RoomState
from livesale.tasks.ttl_cache import TtlCache
from livesale.validation.refusals import DropRefused, ReminderRefused, RoomRefused, Unknown
from stock.line.model import LineMode, LineState
from stock.model import DropState

COUNT_S = 1.0  # cache time of the number of waiting reminders of a target


class ReminderKind(StrEnum):
    ROOM = ROOM
    DROP = DROP
    HOLD = HOLD


UNKNOWN = {
    ReminderKind.ROOM: "unknown_room",
    ReminderKind.DROP: "unknown_drop",
    ReminderKind.HOLD: "unknown_drop",
}


class ReminderState(StrEnum):
    NONE = "none"
    WAITING = store.WAITING
    SENDING = store.SENDING
    SENT = store.SENT
    UNSURE = store.UNSURE
    FAILED = store.FAILED
    MISSED = store.MISSED
    CANCELLED = store.CANCELLED


class ReminderView(Struct, frozen=True):
    """Pass `template_id` to `wx.requestSubscribeMessage` before you set a reminder. `remind_ms`
    is the planned time of the message."""

    kind: ReminderKind
    target_id: Annotated[str, Meta(description="of the room or the drop")]
    state: ReminderState
    begins_ms: int
    remind_ms: int
    template_id: str


class WaitingReminder(Struct, frozen=True):
    kind: ReminderKind
    target_id: Annotated[str, Meta(description="of the room or the drop")]
    state: ReminderState
    created_ms: int


class WaitingReminders(Struct, frozen=True):
    reminders: list[WaitingReminder]


class Reminders:
    """One per process. `now_ms` is Redis's clock.

    All raise StoreUnavailable, and ReminderRefused (reminders_off) if no template is set.
    """

    def __init__(self, deployment: Deployment, now_ms: Callable[[], int]) -> None:
        self._sql = deployment.sql
        self._settings = deployment.settings.reminders
        self._timing = Timing(self._settings)
        self._now_ms = now_ms
        self._counts: TtlCache[int] = TtlCache(self._count, ttl_s=COUNT_S)
        self._templates = {
            ROOM: self._settings.room_template_id,
            DROP: self._settings.drop_template_id,
            HOLD: self._settings.hold_template_id,
        }

    async def set(self, kind: str, target_id: str, buyer_id: str) -> ReminderView:
        """Set a reminder. A repeat is a replay, unless a message was sent for another beginning.

        Raises Unknown (unknown_line, too), RoomRefused (room_over, room_state), DropRefused
        (drop_closed, already_open), ReminderRefused (not_reachable, too_many_reminders).
        """
        self._check_on(kind)
        most = self._settings.max_per_target
        full = (await self._counts.get(f"{kind}|{target_id}") or 0) >= most
        now_ms = self._now_ms()
        async with session(self._sql, write=True) as connection:
            if not await store.lock_buyer(connection, buyer_id):
                raise ReminderRefused("not_reachable", "Log in with WeChat to get reminders.")
            target = await _find_target(connection, kind, target_id)
            _check_to_come(target, now_ms)
            if kind == HOLD:
                await _check_holds(connection, target_id)
            found = await store.find_reminder(connection, kind, target_id, buyer_id)
            if found is not None and _stands(found, target):
                return self._view(target, found)
            waiting = await store.count_of_buyer(connection, buyer_id)
            if full or waiting >= self._settings.max_per_buyer:
                whose = "for this" if full else "of yours"
                raise ReminderRefused("too_many_reminders", f"Too many {whose} are waiting.")
            new = Reminder(kind, target_id, buyer_id, store.WAITING, 0, now_ms)
            await store.set_reminder(connection, new, now_ms)
        return self._view(target, new)

    async def find(self, kind: str, target_id: str, buyer_id: str) -> ReminderView:
        """The state of a buyer's reminder. Raises Unknown for an unknown target."""
        self._check_on(kind)
        async with session(self._sql) as connection:
            target = await _find_target(connection, kind, target_id)
            found = await store.find_reminder(connection, kind, target_id, buyer_id)
        return self._view(target, found)

    async def take_back(self, kind: str, target_id: str, buyer_id: str) -> ReminderView:
        """Cancel, unless a message is sent or being sent. Raises the same as `find`."""
        self._check_on(kind)
        async with session(self._sql, write=True) as connection:
            await store.take_back(connection, kind, target_id, buyer_id)
        return await self.find(kind, target_id, buyer_id)

    async def list(self, buyer_id: str) -> WaitingReminders:
        """All waiting reminders of a buyer."""
        self._check_on(*self._templates)
        async with session(self._sql) as connection:
            found = await store.reminders_of(connection, buyer_id)
        return WaitingReminders(
            [
                WaitingReminder(
                    ReminderKind(one.kind), one.target_id, ReminderState(one.state), one.created_ms
                )
                for one in found
            ]
        )

    def _check_on(self, *kinds: str) -> None:
        if not any(self._templates[kind] for kind in kinds):
            raise ReminderRefused("reminders_off", "The settings have no template for it.")

    def _view(self, target: Target, found: Reminder | None) -> ReminderView:
        return ReminderView(
            kind=ReminderKind(target.kind),
            target_id=target.target_id,
            state=ReminderState(found.state) if found else ReminderState.NONE,
            begins_ms=target.begins_ms,
            remind_ms=self._timing.remind_ms(target),
            template_id=self._templates[target.kind],
        )

    async def _count(self, key: str) -> int:
        kind, target_id = key.split("|")
        async with session(self._sql) as connection:
            return await store.count_of_target(connection, kind, target_id)


def _check_to_come(target: Target, now_ms: int) -> None:
    if target.kind == ROOM:
        if target.state in OVER:
            raise room_over()
        if target.state != RoomState.SCHEDULED:
            raise RoomRefused("room_state", f"The room is {target.state}.")
        return
    if target.state == DropState.CLOSED or (target.closes_ms or 0) <= now_ms:
        raise DropRefused("drop_closed", "The drop is closed.")
    if target.kind == DROP and has_begun(target, now_ms):
        raise DropRefused("already_open", "The drop has already opened.")


def _stands(found: Reminder, target: Target) -> bool:
    """Whether a new reminder would change nothing: it waits, or was sent for this beginning."""
    if found.state in store.DONE and target.kind != HOLD:  # a unit may be held for them again
        return found.begins_ms == target.begins_ms
    return found.state in (store.WAITING, store.SENDING)


async def _check_holds(connection: AsyncConnection, drop_id: str) -> None:
    """Raises Unknown (unknown_line) unless a draw or a waitlist holds units of the drop."""
    line = await find_line(connection, drop_id)
    if line is None or line.terms.mode is LineMode.TURNS or line.state == LineState.VOID:
        raise Unknown("unknown_line")


async def _find_target(connection: AsyncConnection, kind: str, target_id: str) -> Target:
    target = await store.find_target(connection, kind, target_id)
    if target is None:
        raise Unknown(UNKNOWN[ReminderKind(kind)])
    return target
