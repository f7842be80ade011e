"""The go/no-go list of a sale, and the opening of its drops."""

import asyncio
import time
from collections.abc import Awaitable, Sequence

import structlog
from msgspec import Struct, structs

from livesale.action_log.record import note_change
from livesale.catalogue import store as catalogue
from livesale.catalogue.store import Drop
from livesale.database.session import session
from livesale.errors import LivesaleError
from livesale.launch.lights import LaunchList, Level, Light, Name, no_go
from livesale.launch.sale import SaleLights
from livesale.launch.stores import StoreLights
from livesale.ledger.states import DRAFT, OPENING
from livesale.resources import Deployment
from livesale.sales.drops import Drops
from livesale.tasks.clock import Clock
from livesale.tasks.ttl_cache import TtlCache
from livesale.validation.refusals import SalesFault
from stock.errors import StockError

CHECK_S = 1.5  # a check that takes longer is red: the list must be true within two seconds
FRESH_S = 0.2  # any number of open pages cost one list
MAX_DROPS = 100

log = structlog.get_logger(__name__)


class NoGo(SalesFault):
    """Code: no_go. `lights` are the red ones."""


class Launched(Struct, frozen=True):
    """A drop that was asked to open: its state, or the code of why it is not open."""

    drop_id: str
    state: str
    code: str = ""
    detail: str = ""


class Launch(Struct, frozen=True):
    """What was opened. `overridden` are the red lights that the reason was given for."""

    drops: list[Launched]
    overridden: list[Light]


class Launches:
    """One per process."""

    def __init__(
        self,
        deployment: Deployment,
        stores: StoreLights,
        sale: SaleLights,
        drops: Drops,
        clock: Clock,
    ) -> None:
        self._sql = deployment.sql
        self._stores = stores
        self._sale = sale
        self._drops = drops
        self._clock = clock
        self._machine: TtlCache[list[Light]] = TtlCache(
            self._look_at_stores, ttl_s=FRESH_S, max_found=1
        )

    async def check(self, campaign_id: str, room_id: str) -> LaunchList:
        """The list for the drops of a campaign and a room; without both, what every sale needs.

        It never raises what a store does.
        """
        machine = await self._machine.get("")
        assert machine is not None  # noqa: S101  it always returns a result
        if not campaign_id and not room_id:
            return self._list(machine)
        drops: list[Drop] = []
        rooms = [room_id] if room_id else []
        try:
            async with asyncio.timeout(CHECK_S), session(self._sql) as connection:
                if campaign_id:
                    drops = await catalogue.drops_of(connection, campaign_id, MAX_DROPS)
        except (LivesaleError, TimeoutError, OSError) as fault:
            lights = [no_go(Name.DROPS, "unknown", detail=type(fault).__name__)]
            return self._list([*machine, *lights])
        return self._list([*machine, *await self._look_at_sale(drops, rooms)])

    async def launch(self, drop_ids: Sequence[str], reason: str) -> Launch:
        """Open these drops, if no light is red or a reason is given.

        Everything is checked before the first is opened. Each opening is a replay the second time,
        so the same call again finishes what a fault has interrupted. Raises NoGo, Unknown,
        DropRefused, StoreUnavailable.
        """
        wanted = list(dict.fromkeys(drop_ids))
        drops = [(await self._drops.check_opening(drop_id))[0] for drop_id in wanted]
        rooms = [each.room_id for each in drops if each.room_id]
        machine = await self._machine.get("")
        assert machine is not None  # noqa: S101  it always returns a result
        found = self._list([*machine, *await self._look_at_sale(drops, rooms)])
        red = [light for light in found.lights if light.level is Level.NO_GO]
        if red and not reason:
            codes = [light.code for light in red]
            raise NoGo("no_go", f"Red: {', '.join(codes)}.", lights=", ".join(codes))
        before = {"red": [light.code for light in red], "drafts": _drafts(drops)}
        note_change(
            before, None
        )  # first: each opening notes its own, and the first `before` counts
        opened = [await self._open(each.drop_id) for each in drops]
        note_change(before, {"override_reason": reason if red else "", "drops": opened})
        if red:
            log.warning("red lights were overridden", red=before["red"], reason=reason)
        return Launch(opened, red)

    async def _open(self, drop_id: str) -> Launched:
        """Open one; what one refuses stops no other."""
        try:
            return Launched(drop_id, (await self._drops.open(drop_id)).state)
        except SalesFault as refusal:
            return Launched(drop_id, DRAFT, refusal.code, refusal.detail or "")
        except (LivesaleError, StockError) as fault:  # it is not known whether it is open
            return Launched(drop_id, OPENING, "outcome_unknown", type(fault).__name__)

    async def _look_at_stores(self, _key: str) -> list[Light]:
        stores = self._stores
        return await _all(
            {
                Name.STORES: stores.redis(),
                Name.PARTITIONS: stores.partitions(),
                Name.SQL: stores.sql(),
                Name.WRITER: stores.writer(),
                Name.KEEPER: stores.keeper(),
                Name.TASKS: stores.tasks(),
                Name.MEMORY: stores.memory(),
                Name.CLOCK: stores.clock(),
                Name.DOCTOR: stores.doctor(),
                Name.GATEWAY: self._sale.gateway(),
                Name.TEMPLATES: self._sale.templates(),
            }
        )

    async def _look_at_sale(self, drops: Sequence[Drop], rooms: Sequence[str]) -> list[Light]:
        sale = self._sale
        return await _all(
            {
                Name.STREAM: sale.stream(drops, rooms),
                Name.REMINDERS: sale.reminders(drops, rooms),
                Name.DROPS: sale.drops(drops, self._clock.now_ms()),
                Name.LINES: sale.lines(drops, self._clock.now_ms()),
            }
        )

    def _list(self, lights: Sequence[Light]) -> LaunchList:
        order = {name: at for at, name in enumerate(Name)}
        lights = sorted(lights, key=lambda light: order[light.name])
        go = all(light.level is not Level.NO_GO for light in lights)
        return LaunchList(go, self._clock.now_ms(), lights)


async def _all(checks: dict[Name, Awaitable[Light]]) -> list[Light]:
    return list(await asyncio.gather(*(_look(name, check) for name, check in checks.items())))


async def _look(name: Name, check: Awaitable[Light]) -> Light:
    """A check that fails or takes too long is red: nobody knows that it is right."""
    began_s = time.monotonic()
    try:
        async with asyncio.timeout(CHECK_S):
            light = await check
    except TimeoutError:
        light = no_go(name, "slow")
    except Exception as fault:  # of a store, or a bug: the other lights are shown
        log.warning("a check of the go/no-go list failed", light=name, reason=repr(fault))
        light = no_go(name, "unknown", detail=type(fault).__name__)
    return structs.replace(light, ms=round((time.monotonic() - began_s) * 1000))


def _drafts(drops: Sequence[Drop]) -> list[str]:
    return [each.drop_id for each in drops if each.state == DRAFT]
