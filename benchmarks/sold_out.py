"""The answer "sold out" of a drop with one buyer and of one with a million, beside hello.

The worker answers by itself where the buyer surely holds nothing of the drop, and must know a
million names for that. One shop for all turns, since a million reservations take long to make.
"""

import tempfile
from functools import partial
from pathlib import Path

from benchmarks import closed_loop, names
from benchmarks.http import Cell, hello, run_cell
from benchmarks.machine import LOAD_CORE, pinned
from benchmarks.records import Records
from benchmarks.scale import Scale
from benchmarks.shop import open_shop
from stock.ids import new_id

FIGURE = "sold_out"


def measure(scale: Scale, records: Records, last: bool) -> None:
    """All turns, in the last round. Raises RuntimeError if anybody gets a unit."""
    if not last:
        return
    with (
        tempfile.TemporaryDirectory(prefix="livesale-") as folder,
        hello() as bare,
        open_shop(Path(folder), scale.buyers) as shop,
    ):
        bare.wait()
        few, many = shop.sell_out(1), shop.sell_out(scale.sold_out_buyers)
        lane, tokens = shop.lane, shop.tokens
        cells = [
            Cell(
                names.HELLO_BESIDE,
                bare.pid,
                partial(closed_loop.reserve, bare.url, new_id(), tokens),
            ),
            Cell(names.SOLD_OUT_ONE, lane.pid, partial(lane.refuse_more, few)),
            Cell(names.SOLD_OUT_MANY, lane.pid, partial(lane.refuse_more, many)),
        ]
        with pinned(LOAD_CORE):
            for cell in cells * scale.rounds:
                run_cell(FIGURE, cell, scale.seconds, records)
