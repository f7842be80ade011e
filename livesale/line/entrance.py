"""Who may enter a line: nobody who works for the shop, and whoever meets the terms of the line.

The terms are published. They are asked once, when somebody gets a place: a place is not taken away.
"""

import secrets
from collections.abc import Mapping, Sequence
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.catalogue.view import CatalogueView
from livesale.database.session import session
from livesale.line.batches import Batches
from livesale.line.challenges import Challenges
from livesale.line.insiders import Insiders
from livesale.line.store import LineRow
from livesale.resources import Deployment
from livesale.tasks.clock import Clock
from livesale.validation.refusals import SalesFault
from stock.errors import Unreachable
from stock.line.model import LineMode


class Accounts(Protocol):
    """Since when buyers are known: the feature of logins knows."""

    async def since(
        self, connection: AsyncConnection, buyer_ids: Sequence[str]
    ) -> Mapping[str, int]:
        """The first login of each buyer, ms. Who has none is not in it."""
        ...


class Entrance:
    """One per process."""

    def __init__(
        self,
        deployment: Deployment,
        view: CatalogueView,
        clock: Clock,
        challenges: Challenges,
        insiders: Insiders,
        accounts: Accounts,
    ) -> None:
        self._sql = deployment.sql
        self._view = view
        self._clock = clock
        self._challenges = challenges
        self._insiders = insiders
        self._accounts = accounts
        self._since = Batches("look up accounts", self._look_up)

    async def check(self, row: LineRow, buyer_id: str, solution: str | None) -> None:
        """Before somebody gets a place.

        Raises SalesFault (insider, account_too_new), ChallengeRequired in front of a draw or a
        waitlist whose drop has a challenge, StoreUnavailable, and Unreachable while Redis's clock
        is not known. Behind turns the challenge comes with the ticket.
        """
        if await self._insiders.knows(buyer_id):
            raise SalesFault("insider", "You work for the shop, so you cannot enter.")
        if not self._clock.known:
            raise Unreachable("the clock of Redis is not known here yet")
        now_ms = self._clock.now_ms()
        age_ms = row.account_age_s * 1000
        if age_ms:
            since_ms = await self._since.ask("", buyer_id)
            if since_ms is None or since_ms + age_ms > now_ms:
                until_ms = (now_ms if since_ms is None else since_ms) + age_ms
                detail = f"An account must be {row.account_age_s} s old."
                raise SalesFault("account_too_new", detail, until_ms=until_ms)
        if row.terms.mode is LineMode.TURNS:
            return
        drop = await self._view.terms(row.drop_id)
        if drop is not None and drop.challenge:
            self._challenges.demand(
                solution,
                drop_id=row.drop_id,
                buyer_id=buyer_id,
                serial=now_ms * 1000 + secrets.randbelow(1000),
                difficulty=drop.challenge,
                now_ms=now_ms,
            )

    async def _look_up(self, _: str, buyer_ids: Sequence[str]) -> list[int | None]:
        async with session(self._sql) as connection:
            found = await self._accounts.since(connection, buyer_ids)
        return [found.get(buyer_id) for buyer_id in buyer_ids]
