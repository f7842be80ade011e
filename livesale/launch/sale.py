"""Lights of one sale: its drops and goods, the money, the video, and who is reminded."""

from collections.abc import Mapping, Sequence

from livesale.catalogue.store import Drop
from livesale.database.session import session
from livesale.launch import store
from livesale.launch.lights import Light, Name, caution, go, no_go
from livesale.ledger.states import DRAFT
from livesale.payments.errors import GatewayFault, GatewayRefused
from livesale.payments.gateway import PayGateway
from livesale.resources import Deployment
from livesale.tasks.ttl_cache import TtlCache
from stock.line.model import LineMode

GATEWAY_S = 10.0  # how long an answer of the gateway counts
PROBE = "0-livesaleprobe0000"  # the form of an order's id, and of no order
SHOWN = 200
GATHER_MS = 60_000  # people need some time to hear of it


class SaleLights:
    """What this sale needs. All raise StoreUnavailable."""

    def __init__(self, deployment: Deployment, gateway: PayGateway) -> None:
        self._sql = deployment.sql
        self._settings = deployment.settings
        self._gateway = gateway
        self._probed: TtlCache[str] = TtlCache(self._probe, ttl_s=GATEWAY_S, max_found=1)

    async def gateway(self) -> Light:
        """Whether the gateway answers, and takes our signature."""
        name = self._gateway.name
        if name == "simulated":
            made = caution if self._settings.env == "dev" else no_go
            return made(Name.GATEWAY, "simulated")
        fault = await self._probed.get("")
        if fault:
            return no_go(Name.GATEWAY, "away", gateway=name, detail=fault[:SHOWN])
        return go(Name.GATEWAY, gateway=name)

    async def _probe(self, _key: str) -> str:
        """Ask for an order that nobody has: "not known" is the right answer. Empty if it came."""
        try:
            await self._gateway.query(PROBE)
        except GatewayRefused as refusal:
            return f"refused: {refusal}"
        except GatewayFault as fault:
            return f"{type(fault).__name__}: {fault}"
        return ""

    async def stream(self, drops: Sequence[Drop], room_ids: Sequence[str]) -> Light:
        ids = list(dict.fromkeys([*room_ids, *(each.room_id for each in drops if each.room_id)]))
        if not ids:
            return go(Name.STREAM, "noroom")
        if not self._settings.ingest.push_url:
            return caution(Name.STREAM, "off")
        async with session(self._sql) as connection:
            found = await store.streams_of(connection, ids)
        silent = [room_id for room_id in ids if found.get(room_id) == store.SILENT]
        if silent:
            return no_go(Name.STREAM, "silent", rooms=", ".join(silent)[:SHOWN])
        waiting = [room_id for room_id in ids if found.get(room_id) != store.ACTIVE]
        if waiting:
            return caution(Name.STREAM, "waiting", rooms=", ".join(waiting)[:SHOWN])
        return go(Name.STREAM, count=len(ids))

    async def templates(self) -> Light:
        reminders = self._settings.reminders
        sends = bool(self._settings.wechat.appid)
        of_kind: Mapping[str, str] = {
            "room": reminders.room_template_id,
            "drop": reminders.drop_template_id,
        }
        missing = [kind for kind, template in of_kind.items() if not (template and sends)]
        if missing:
            return caution(Name.TEMPLATES, "off", kinds=", ".join(missing))
        return go(Name.TEMPLATES)

    async def reminders(self, drops: Sequence[Drop], room_ids: Sequence[str]) -> Light:
        rooms = [*room_ids, *(each.room_id for each in drops if each.room_id)]
        async with session(self._sql) as connection:
            waiting, failed = await store.reminders_for(
                connection, [each.drop_id for each in drops], list(dict.fromkeys(rooms))
            )
        if failed:
            return caution(Name.REMINDERS, "failed", waiting=waiting, failed=failed)
        return go(Name.REMINDERS, waiting=waiting)

    async def drops(self, drops: Sequence[Drop], now_ms: int) -> Light:
        """Whether the drafts are what a buyer should see."""
        drafts = [each for each in drops if each.state == DRAFT]
        if not drops:
            return no_go(Name.DROPS, "none")
        if not drafts:
            return go(Name.DROPS, "opened", count=len(drops))
        over = [each.title for each in drafts if each.closes_ms <= now_ms]
        if over:
            return no_go(Name.DROPS, "over", titles=", ".join(over)[:SHOWN])
        async with session(self._sql) as connection:
            bare = await store.without_pictures(connection, [each.sku_id for each in drafts])
        if bare:
            titles = [each.title for each in drafts if each.sku_id in bare]
            return caution(Name.DROPS, "bare", titles=", ".join(titles)[:SHOWN])
        late = [each.title for each in drafts if each.opens_ms <= now_ms]
        if late:
            return caution(Name.DROPS, "atonce", titles=", ".join(late)[:SHOWN])
        return go(Name.DROPS, count=len(drafts))

    async def lines(self, drops: Sequence[Drop], now_ms: int) -> Light:
        """Whether the lines in front of drafts will open: one that cannot is void, and then the
        drop sells by tickets alone."""
        drafts = {each.drop_id: each for each in drops if each.state == DRAFT}
        async with session(self._sql) as connection:
            found = await store.modes_of_lines(connection, [each.drop_id for each in drops])
        if not found:
            return go(Name.LINES, "none")
        waiting = [(drop, found[drop_id]) for drop_id, drop in drafts.items() if drop_id in found]
        bare = [drop.title for drop, _ in waiting if not (drop.ticket_required and drop.price_fen)]
        if bare:
            return no_go(Name.LINES, "notickets", titles=", ".join(bare)[:SHOWN])
        # The host's countdown says when the draft of a room opens.
        timed = [(drop, mode) for drop, mode in waiting if not drop.room_id]
        gathers = [drop for drop, mode in timed if mode != LineMode.WAITLIST]
        late = [drop.title for drop in gathers if drop.opens_ms <= now_ms]
        if late:
            return no_go(Name.LINES, "late", titles=", ".join(late)[:SHOWN])
        short = [drop.title for drop in gathers if drop.opens_ms <= now_ms + GATHER_MS]
        if short:
            return caution(Name.LINES, "short", titles=", ".join(short)[:SHOWN])
        return go(Name.LINES, count=len(found))
