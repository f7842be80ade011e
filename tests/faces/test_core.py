"""The core of the faces: its own tests in Node, with a challenge and a draw of this service."""

import json
import re
import time

import msgspec

from livesale.draws import lots
from livesale.draws.lots import Drawn, Published
from livesale.line.challenges import Challenges
from scripts import faces

SEED = "5e" * 32
ENTRIES = [lots.entry_id_of("0a" * 32, f"buyer-{number}") for number in range(2_000)]


def test_the_core_passes_its_tests_and_agrees_with_the_service() -> None:
    # Given a challenge of the service, and a draw
    now_ms = int(time.time() * 1000)  # altcha compares it with this machine's clock
    challenges = Challenges(b"a secret of this test, long enough", (), 60_000)
    challenge = challenges.make(
        drop_id="d1", buyer_id="b1", serial=now_ms * 1000, difficulty=300, now_ms=now_ms
    )
    list_hash = lots.list_hash_of(ENTRIES)
    winners = lots.winners_of(SEED, ENTRIES, 7)
    record = Published(Drawn(lots.commitment_of(SEED), SEED, list_hash, 7, winners), ENTRIES)

    # When the core solves one, checks the other, and passes all its tests
    said = faces.run_tests(
        {
            "ALTCHA_CHALLENGE": json.dumps(challenge),
            "DRAW_RECORD": msgspec.json.encode(record).decode(),
        }
    )

    # Then the service takes the solution (pytest -s says how long a try took)
    line = re.search(r'^\{"altcha".*\}$', said, re.MULTILINE)
    assert line, said
    solved = json.loads(line[0])
    serial = challenges.check(solved["altcha"], drop_id="d1", buyer_id="b1", now_ms=now_ms)
    assert serial == now_ms * 1000
    print(f"ALTCHA: {solved['counter']} tries, {solved['each_ms']:.3f} ms each")
    assert "the draw holds" in said
