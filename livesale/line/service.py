"""What buyers do with a line: join, look where they are, leave, take their turn."""

import math

from livesale.draws.lots import entry_id_of
from livesale.line.batches import Batches
from livesale.line.entrance import Entrance
from livesale.line.places import PlaceSigner, place_rid
from livesale.line.shown import MyPlace, PublicLine, Standing, TakenTurn, YourTurn
from livesale.line.store import LineRow
from livesale.line.view import LineView, LiveLine
from livesale.resources import Deployment
from livesale.validation.refusals import (
    ChallengeRequired,
    DropRefused,
    NotSelling,
    PartitionClosed,
    SalesFault,
    Unknown,
)
from stock.line.model import JoinCode, LeaveCode, LineMode, LineState
from stock.model import HoldState

MIN_WAIT_MS, MAX_WAIT_MS = 1_000, 15_000  # between two looks of a buyer
_FINAL = (LineState.GONE, LineState.VOID)


class Places:
    """One per process. All raise Unknown (unknown_drop, unknown_line), PartitionClosed,
    StoreUnavailable, and the faults of stock.errors."""

    def __init__(
        self, deployment: Deployment, view: LineView, signer: PlaceSigner, entrance: Entrance
    ) -> None:
        self._engine = deployment.engine
        self._keyspace = deployment.keyspace
        self._view = view
        self._joins = Batches("join a line", deployment.engine.line.join)
        self._places = Batches("read places", deployment.engine.line.places)
        self._signer = signer
        self._entrance = entrance

    async def show(self, drop_id: str) -> PublicLine:
        line = (await self._view.shown(drop_id)).snapshot
        row = await self._view.row(drop_id)
        return PublicLine(
            drop_id=drop_id,
            mode=line.terms.mode,
            state=line.state,
            commitment=line.terms.commitment,
            seed=line.seed,
            n0=line.n0 if line.closing_id else None,
            closing_id=line.closing_id,
            people=line.n - line.left,
            left=line.left,
            serving=line.serving,
            available=line.available,
            held=line.held,
            turn_ms=line.terms.turn_ms,
            rate_per_s=line.terms.rate,
            capacity=line.terms.capacity,
            opens_ms=line.opens_ms,
            account_age_s=row.account_age_s if row else 0,
            challenge=await self._view.challenge(drop_id),
            server_ms=line.now_ms,
        )

    async def join(
        self, drop_id: str, buyer_id: str, solution: str | None = None
    ) -> tuple[bool, MyPlace]:
        """Whether the place is new, and the place.

        Raises SalesFault (line_full, gone, still_available), NotSelling (closed), and what
        Entrance.check raises for who has no place yet.
        """
        line = await self._view.shown(drop_id)
        row = await self._view.row_of_open(drop_id)
        await self._admit(row, drop_id, buyer_id, solution)
        outcome = await self._joins.ask(drop_id, buyer_id)
        match outcome.code:
            case JoinCode.JOINED | JoinCode.REPLAYED:
                is_new = outcome.code is JoinCode.JOINED
                return is_new, await self._place(line, row, buyer_id, outcome.index)
            case JoinCode.FULL:
                raise SalesFault("line_full", "The line has no more places.")
            case JoinCode.AVAILABLE:
                raise SalesFault("still_available", "Units can be had: reserve one.")
            case JoinCode.FENCED:
                raise PartitionClosed
            case JoinCode.CLOSED | JoinCode.VOID:
                snapshot = line.snapshot
                raise NotSelling("closed", snapshot.opens_ms, snapshot.now_ms)
            case _:
                raise gone()

    async def find(self, drop_id: str, buyer_id: str, token: str) -> MyPlace:
        """The buyer's place, from the token alone if it is good, and nobody has left so far.

        Raises SalesFault (no_place).
        """
        line = await self._view.shown(drop_id)
        row = await self._view.row(drop_id)
        epoch = self._epoch(drop_id)
        index = self._signer.read(token, drop_id=drop_id, buyer_id=buyer_id, epoch=epoch)
        if index is not None and not line.somebody_left:
            return await self._place(line, row, buyer_id, index)
        place = await self._places.ask(drop_id, buyer_id)
        if place is None:
            raise no_place()
        return await self._place(line, row, buyer_id, place.index, left=place.left)

    async def _admit(self, row: LineRow, drop_id: str, buyer_id: str, solution: str | None) -> None:
        """Only who is refused costs a look for a place that they have already."""
        try:
            await self._entrance.check(row, buyer_id, solution)
        except (SalesFault, ChallengeRequired):
            place = await self._places.ask(drop_id, buyer_id)
            if place is None or place.left:
                raise

    async def enter(
        self, drop_id: str, buyer_id: str, solution: str | None = None
    ) -> tuple[bool, MyPlace]:
        """`join`, for a draw whose list is open. Raises SalesFault (line_closed), too."""
        line = (await self._view.shown(drop_id)).snapshot
        if line.terms.mode is not LineMode.DRAW:
            raise Unknown("unknown_line")
        is_open = line.state is LineState.GATHERING and line.now_ms < line.opens_ms
        if not is_open and await self._engine.line.place(drop_id, buyer_id) is None:
            raise SalesFault("line_closed", "The list is closed: its order follows from it.")
        return await self.join(drop_id, buyer_id, solution)

    async def leave(self, drop_id: str, buyer_id: str) -> None:
        """May be repeated. Raises SalesFault (no_place)."""
        await self._view.shown(drop_id)
        code = await self._engine.line.leave(drop_id, buyer_id)
        self._view.note_leave(drop_id)
        if code is LeaveCode.FENCED:
            raise PartitionClosed
        if code not in (LeaveCode.LEFT, LeaveCode.REPLAYED):
            raise no_place()

    async def turn_of(self, drop_id: str, buyer_id: str) -> TakenTurn | None:
        """The buyer's turn now, as Redis has it at this moment; None for a drop without a line.

        Raises SalesFault (not_your_turn, gone, no_place).
        """
        if await self._view.row(drop_id) is None:
            return None
        line = await self._view.live(drop_id)
        if line is not None and line.snapshot.terms.mode is not LineMode.TURNS:
            await self._check_nobody_waits(drop_id)
            return None
        if line is None or line.snapshot.state is LineState.GATHERING or line.order is None:
            raise SalesFault("not_your_turn", "The line is not open yet.")
        place = await self._engine.line.place(drop_id, buyer_id)
        if place is None or place.left:
            raise gone() if line.snapshot.state in _FINAL else no_place()
        position = line.order.position_of(place.index)
        # Fresh, because no ticket may be given after the line is gone.
        now = await self._engine.line.snapshot(drop_id, position)
        if now is None:
            raise PartitionClosed
        if now.state in _FINAL:
            raise gone()
        turn = next((turn for turn in now.turns if turn.first <= position < turn.until), None)
        if turn is None:
            detail = f"{max(0, position - now.serving)} people are ahead of you."
            raise SalesFault("not_your_turn", detail)
        if turn.at_ms + now.terms.turn_ms <= now.now_ms:
            raise SalesFault(
                "not_your_turn", "Your turn is over. Leave and join again to wait at the end."
            )
        return TakenTurn(turn.at_ms, now.terms.turn_ms)

    async def _check_nobody_waits(self, drop_id: str) -> None:
        """No turns where units are held; but units that nobody waits for are for everybody.

        Raises SalesFault (not_your_turn, gone).
        """
        now = await self._engine.line.snapshot(drop_id)
        if now is None:
            raise PartitionClosed
        if now.terms.mode is LineMode.WAITLIST and now.serving == now.n:
            return
        if now.state in _FINAL:
            raise gone()
        raise SalesFault("not_your_turn", "Units are held for the next in line.")

    async def _place(
        self,
        line: LiveLine,
        row: LineRow | None,
        buyer_id: str,
        index: int,
        *,
        left: bool = False,
    ) -> MyPlace:
        snapshot, drop_id = line.snapshot, line.snapshot.drop_id
        position = line.position_of(index)
        turn = None if position is None else line.turn_of(position)
        until_ms = turn.at_ms + snapshot.terms.turn_ms if turn else 0
        standing = Standing.WAITING
        if left:
            standing = Standing.LEFT
        elif snapshot.state in _FINAL:
            standing = Standing.GONE
        elif turn is not None:
            standing = Standing.TURN if until_ms > snapshot.now_ms else Standing.MISSED
        rid = None
        if turn is not None and snapshot.terms.mode is not LineMode.TURNS and not left:
            rid = place_rid(drop_id, buyer_id, index)
            standing, until_ms = await self._held(rid)
            rid = rid if until_ms else None
        ahead = None if position is None else max(0, position - snapshot.serving)
        is_waiting = standing is Standing.WAITING
        guess = line.others(index) if ahead is None else ahead
        eta_ms = line.eta_ms(guess) if is_waiting and ahead is not None else None
        mine = turn is not None and standing in (Standing.TURN, Standing.HELD)
        hides = snapshot.terms.mode is LineMode.DRAW and row is not None
        return MyPlace(
            drop_id=drop_id,
            place=self._signer.sign(
                index, drop_id=drop_id, buyer_id=buyer_id, epoch=snapshot.epoch
            ),
            standing=standing,
            index=index,
            position=position,
            ahead=ahead if is_waiting else None,
            chance=round(line.chance(guess), 3) if is_waiting else float(mine),
            eta_ms=eta_ms,
            turn=YourTurn(turn.at_ms, until_ms) if turn is not None and mine else None,
            reservation_id=rid,
            entry_id=entry_id_of(row.salt, buyer_id) if row and hides else None,
            retry_after_ms=_retry_after_ms(line, standing, eta_ms),
            server_ms=snapshot.now_ms,
        )

    async def _held(self, rid: str) -> tuple[Standing, int]:
        """What became of a unit that was held, and until when it is; 0: none was held."""
        claim = await self._engine.reservation(rid)
        if claim is None:
            return Standing.MISSED, 0
        if claim.state is HoldState.SOLD:
            return Standing.BOUGHT, claim.expires_ms
        is_held = claim.state is HoldState.HELD
        return Standing.HELD if is_held else Standing.MISSED, claim.expires_ms

    def _epoch(self, drop_id: str) -> int:
        return self._engine.epochs.get(self._keyspace.partition_of(drop_id), 0)


def _retry_after_ms(line: LiveLine, standing: Standing, eta_ms: list[int] | None) -> int:
    """The sooner something can change, the sooner; 0: nothing changes any more."""
    snapshot = line.snapshot
    if standing in (Standing.GONE, Standing.LEFT, Standing.MISSED, Standing.BOUGHT):
        return 0
    if snapshot.state is LineState.GATHERING:
        wait_ms = snapshot.opens_ms - snapshot.now_ms
    else:
        wait_ms = math.ceil(eta_ms[0] / 4) if eta_ms else MIN_WAIT_MS * 2
    return max(MIN_WAIT_MS, min(MAX_WAIT_MS, wait_ms))


def gone() -> SalesFault:
    return SalesFault("gone", "Nothing is left, and nothing will return.")


def no_place() -> SalesFault:
    return SalesFault("no_place", "You have no place in this line.")


def no_tickets() -> DropRefused:
    return DropRefused("no_tickets", "Only a drop with tickets, and a price, has a line.")
