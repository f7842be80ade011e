"""A browser reads the catalogue, a campaign and a drop, and does not buy."""

import random

from loadtests.history import Drop
from loadtests.line import Line, Time

LOOKS_EVERY_S = (0.5, 3.0)


class Browser:
    def __init__(self, line: Line, time: Time, chance: random.Random) -> None:
        self._line, self._time, self._chance = line, time, chance

    async def stroll(self, drop: Drop) -> None:
        """Read each page once."""
        listed = await self._line.ask("campaigns", "GET", "/v1/campaigns")
        shown = listed.body.get("campaigns")
        if listed.good and isinstance(shown, list) and shown:
            campaign_id = self._chance.choice(shown)["campaign_id"]
            await self._line.ask("campaign", "GET", f"/v1/campaigns/{campaign_id}")
        await self._line.ask("drop", "GET", f"/v1/drops/{drop.drop_id}")
        await self._time.sleep(self._chance.uniform(*LOOKS_EVERY_S))
