"""The link into the console that `livesale up` prints in dev."""

import re

from livesale.access.roles import Role
from livesale.identity.operators.service import NewOperator, Operators
from livesale.identity.operators.sessions import SessionBook
from livesale.processes.way_in import make_way_in
from livesale.resources import Deployment
from livesale.tokens.keyring import Keyring

IS_LINK = re.compile(r"[A-Za-z0-9_-]{43}").fullmatch


def operators(stage: Deployment) -> Operators:
    keys = Keyring.from_settings(stage.settings)
    return Operators(
        stage.sql, stage.settings.auth, SessionBook(stage.sql, stage.settings.auth, keys)
    )


async def test_the_first_start_makes_an_operator_and_each_start_a_link(stage: Deployment) -> None:
    first, second = await make_way_in(stage), await make_way_in(stage)
    assert IS_LINK(first)
    assert IS_LINK(second)
    assert first != second
    [dev] = (await operators(stage).page("", 10)).operators
    assert (dev.name, [str(role) for role in dev.roles]) == ("dev", ["owner"])


async def test_nobody_is_let_in_where_others_are_the_operators(stage: Deployment) -> None:
    # Given a database with an operator of its own
    await operators(stage).add(NewOperator(name="olga", roles=[Role.OWNER]))
    # Then no link is made, and no operator
    assert await make_way_in(stage) == ""
    assert [one.name for one in (await operators(stage).page("", 10)).operators] == ["olga"]
