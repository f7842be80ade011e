"""The core of the faces solves a challenge of this service, and checks its draws.

Its other tests are `make faces-check`.
"""

import hashlib
import hmac
import json
import re
import time
from pathlib import Path

import msgspec
from typer.testing import CliRunner

from livesale.cli.app import app
from livesale.draws import lots
from livesale.draws.lots import Drawn, Published
from livesale.draws.order import Order
from livesale.line.challenges import Challenges
from livesale.line.drawn import Early, LineDraw, draw
from scripts import faces

SEED = "5e" * 32
ENTRIES = [lots.entry_id_of("0a" * 32, f"buyer-{number}") for number in range(2_000)]


def by_the_book(seed: str, list_hash: str, entries: list[str]) -> list[int]:
    """docs/line.md, "A draw, exactly", read by somebody who does not know our code."""
    numbered = []
    for number, entry in enumerate(entries):
        text = f"{list_hash}:{entry}".encode("ascii")
        lot = hmac.new(bytes.fromhex(seed), text, hashlib.sha256).hexdigest()
        numbered.append((lot, number))
    return [number for _, number in sorted(numbered)]


def made_line_records(folder: Path) -> tuple[Path, Path]:
    """A draw of 100,000 entries, and places of a line, as the service makes them."""
    early = [Early(n, f"buyer-{n}", left=n % 1_001 == 7) for n in range(100_100)]
    made = draw(SEED, "0a" * 32, early)
    record = LineDraw(
        *("drop1", lots.commitment_of(SEED), SEED, made.list_hash), made.entry_ids, made.order
    )
    assert len(made.order) == 100_000
    # the spec, read anew: list hash, lots, places of those who left at the end
    text = "\n".join([*made.entry_ids, ""]).encode("ascii")
    assert hashlib.sha256(text).hexdigest() == made.list_hash
    assert by_the_book(SEED, made.list_hash, made.entry_ids) == made.order
    assert made.places[-100:] == [n for n in range(100_100) if n % 1_001 == 7]
    line = Order(SEED, 1_000, "1790000000000-3")
    whole, alone = folder / "records.json", folder / "draw.json"
    known = {
        "draw": record,
        "entry_id": made.entry_ids[made.order[499]],
        "position": 499,
        "line": {
            "commitment": record.commitment,
            "seed": SEED,
            "n0": 1_000,
            "closing_id": "1790000000000-3",
        },
        "positions": [line.position_of(index) for index in range(50)],
    }
    whole.write_bytes(msgspec.json.encode(known))
    alone.write_bytes(msgspec.json.encode(record))
    return whole, alone


def test_the_core_agrees_with_the_service(tmp_path: Path) -> None:
    # Given a challenge of the service, and draws
    whole, alone = made_line_records(tmp_path)
    now_ms = int(time.time() * 1000)  # altcha compares it with this machine's clock
    challenges = Challenges(b"a secret of this test, long enough", (), 60_000)
    challenge = challenges.make(
        drop_id="d1", buyer_id="b1", serial=now_ms * 1000, difficulty=300, now_ms=now_ms
    )
    list_hash = lots.list_hash_of(ENTRIES)
    winners = lots.winners_of(SEED, ENTRIES, 7)
    record = Published(Drawn(lots.commitment_of(SEED), SEED, list_hash, 7, winners), ENTRIES)

    # When the core solves one, and checks the others
    said = faces.run_tests(
        *("tests/checks/altcha.test.ts", "tests/checks/draw.test.ts", "tests/checks/line.test.ts"),
        environment={
            "ALTCHA_CHALLENGE": json.dumps(challenge),
            "DRAW_RECORD": msgspec.json.encode(record).decode(),
            "LINE_RECORDS": str(whole),
        },
    )

    # Then the service takes the solution (pytest -s says how long a try took)
    line = re.search(r'^\{"altcha".*\}$', said, re.MULTILINE)
    assert line, said
    solved = json.loads(line[0])
    serial = challenges.check(solved["altcha"], drop_id="d1", buyer_id="b1", now_ms=now_ms)
    assert serial == now_ms * 1000
    print(f"ALTCHA: {solved['counter']} tries, {solved['each_ms']:.3f} ms each")
    assert "the draw holds" in said
    assert "draw and line hold" in said
    # And the command says the same of 100,000 entries
    checked = CliRunner().invoke(app, ["line", "check", str(alone)])
    assert checked.exit_code == 0, checked.output
    assert "100,000 entries" in checked.output
