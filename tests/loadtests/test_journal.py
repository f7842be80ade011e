"""What was noted is read again, from all processes, whatever ended them."""

from pathlib import Path

import pytest

from loadtests.history import Broke, Drop, History, Paid, Restock, Sample
from loadtests.journal import FileJournal, read_journals
from tests.loadtests.forged import DROP, claim


def test_everything_that_was_noted_comes_back(tmp_path: Path) -> None:
    # given two processes' notes, as files
    drop, sample = Drop(DROP, 3, 2, 100, 5_000), Sample(DROP, 3, 1, 1, 1, 0)
    one = FileJournal(tmp_path)
    for note in (drop, claim("anna", "r1"), Paid("r1", "sold"), sample):
        one.note(note)
    one.count("reserve|201|held|")
    one.flush()
    next(tmp_path.iterdir()).rename(tmp_path / "1.jsonl")
    two = FileJournal(tmp_path)
    two.note(claim("bob", codes="lost hung_up"))
    two.note(Restock(DROP, 5, None))
    two.note(Broke(9, 1.5, "p95"))
    two.count("reserve|201|held|")
    two.count("drop||lost|")
    two.flush()
    two.flush()  # nothing new: nothing written
    # then
    history = read_journals(tmp_path)
    assert history.drops == {DROP: drop}
    assert history.claims == [claim("anna", "r1"), claim("bob", codes="lost hung_up")]
    assert (history.payments, history.samples) == ([Paid("r1", "sold")], [sample])
    assert (history.restocks, history.broke) == ([Restock(DROP, 5, None)], Broke(9, 1.5, "p95"))
    assert history.tally == {"reserve|201|held|": 2, "drop||lost|": 1}


def test_the_line_that_a_kill_tore_is_left_out(tmp_path: Path) -> None:
    journal = FileJournal(tmp_path)
    journal.note(claim("anna", "r1"))
    journal.note(claim("bob", "r2"))
    [file] = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-5])
    assert read_journals(tmp_path).claims == [claim("anna", "r1")]


def test_what_is_no_note_is_no_history() -> None:
    with pytest.raises(TypeError):
        History().note("a string")
