"""A short round of `python -m tests.faults.migrations`."""

import pytest

from tests.faults.migrations import Killing
from tests.servers import MariaDB


@pytest.mark.soak  # tests/livesale/database/test_cuts.py cuts behind every statement
async def test_a_killed_migration_reaches_head_with_one_repeat(mariadb_server: MariaDB) -> None:
    # given a server, when migrations from empty and from older revisions are killed as they run
    killing = Killing(mariadb_server, seed=1)
    await killing.play(2)
    # then each is healed by one repeat
    assert (killing.kills, killing.faults) == (2, [])
