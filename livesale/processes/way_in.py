"""The link by which a developer enters the console of `livesale up`."""

from sqlalchemy.ext.asyncio import AsyncEngine

from livesale.access.roles import Role
from livesale.action_log.record import Deed, Record
from livesale.action_log.store import Outcome
from livesale.database.errors import StoreUnavailable
from livesale.identity.operators.service import NewOperator, Operators
from livesale.identity.operators.sessions import SessionBook
from livesale.resources import Deployment
from livesale.tokens.keyring import Keyring
from livesale.validation.refusals import OperatorRefused, Unknown

NAME = "dev"


async def make_way_in(deployment: Deployment) -> str:
    """The secret of a link that logs `dev` in, once. The first call makes this operator, an owner;
    where there are others, nobody is made. Empty if there is no such operator, or it was revoked.
    """
    settings, sql = deployment.settings, deployment.sql
    sessions = SessionBook(sql, settings.auth, Keyring.from_settings(settings))
    try:
        return await _make(Operators(sql, settings.auth, sessions), sql)
    except (Unknown, OperatorRefused, StoreUnavailable):
        return ""


async def _make(them: Operators, sql: AsyncEngine) -> str:
    record = Record(sql, Deed("livesale up", "operator login", NAME, {}))
    await record.begin()
    try:
        with record.current():
            if not (await them.page("", 1)).operators:
                await them.add(NewOperator(name=NAME, roles=[Role.OWNER]))
            link = (await them.make_link(NAME)).link
    except (Unknown, OperatorRefused):
        await record.conclude(Outcome.REFUSED, "")
        raise
    await record.conclude(Outcome.DONE, "")
    return link
