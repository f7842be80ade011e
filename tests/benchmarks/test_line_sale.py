"""The sale behind a line on the real service, small: all of it is as promised."""

import asyncio

import pytest

from benchmarks import line_sale


@pytest.mark.soak
async def test_a_small_sale_is_as_promised(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--people", "300", "--units", "10", "--hold-s", "5"]
    assert await asyncio.to_thread(line_sale.main, words) == 0
    printed = capsys.readouterr().out
    assert "300 positions compared with the published order" in printed
    assert "10 of 10 units sold" in printed
