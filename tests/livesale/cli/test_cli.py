"""The command line, as a process: what it prints, its exit codes, and that it never shows a
traceback for what can be expected to go wrong."""

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from livesale.cli.faults import BROKEN, FAILED, REFUSED
from livesale.settings import PREFIX, load_settings
from livesale.tokens.signing import Buyer, Operator, TokenSigner
from tests.command import Done, Run, refused, succeeded
from tests.servers import Valkey

CREATE = ("drop", "create", "--title", "茶具 set", "--price-fen", "9900", "--stock", "10")


@pytest.fixture
def process(tmp_path: Path) -> Run:
    """Runs one command as a process, with its data under tmp_path and no settings but those."""
    bare = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    bare[f"{PREFIX}DATA_DIR"] = str(tmp_path / "var")

    def run(*command: str) -> Done:
        return subprocess.run(command, env=bare, capture_output=True, text=True, timeout=120)

    return run


@pytest.mark.parametrize(
    "program", [[sys.executable, "-m", "livesale"], [str(Path(sys.executable).parent / "livesale")]]
)
def test_it_says_its_version(process: Run, program: list[str]) -> None:
    out = succeeded(process(*program, "--version"))
    assert out == f"livesale {version('livesale')}\n"


def test_help_names_every_command_and_imports_no_store() -> None:
    script = """
import sys
from livesale.cli.app import app
print(*(command.name or command.callback.__name__.rstrip("_") for command in app.registered_commands
        if not command.hidden))
heavy = {"aiohttp", "alembic", "pydantic", "redis", "sqlalchemy", "uvloop"}
assert not heavy & sys.modules.keys(), heavy & sys.modules.keys()
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    names = (
        "demo up serve writer keeper migrate token call mini-program audit actions doctor recover"
    )
    assert done.stdout == f"{names} load\n"


def test_a_bad_setting_is_one_clear_paragraph(livesale: Run) -> None:
    done = livesale("token", "--buyer", "b", LIVESALE__HTTP__PORT="http")
    refused(done, REFUSED, "LIVESALE__HTTP__PORT", "integer", "not 'http'")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "command",
    ["up", "writer", *(pytest.param(role, marks=pytest.mark.soak) for role in ("serve", "keeper"))],
)
def test_a_role_refuses_to_start_without_its_store(process: Run, command: str) -> None:
    program = (sys.executable, "-m", "livesale")
    port = ("--port", "0") if command in ("up", "serve") else ()
    done = process(*program, command, "--redis", "redis://127.0.0.1:1", *port)
    refused(done, REFUSED, "LIVESALE__REDIS__URL", "cannot be reached")


def test_a_database_out_of_reach_is_one_clear_paragraph(livesale: Run) -> None:
    done = livesale("migrate", "--sql", "mysql://shop:hunter2@127.0.0.1:1/shop")
    refused(done, REFUSED, "LIVESALE__SQL__URL", "cannot be reached")
    assert "hunter2" not in done.stderr


def test_tokens_are_those_of_the_settings(livesale: Run) -> None:
    secret = "a secret of thirty-two bytes or more"
    signer = TokenSigner.from_settings(
        load_settings(env="prod", auth__secret=secret, payments__allow_simulated=True)
    )

    def holder(*args: str) -> list[Buyer | Operator]:
        out = succeeded(
            livesale(
                "token",
                *args,
                LIVESALE__ENV="prod",
                LIVESALE__AUTH__SECRET=secret,
                LIVESALE__PAYMENTS__ALLOW_SIMULATED="true",
            )
        )
        return [signer.verify(line) for line in out.splitlines()]

    [buyer] = holder("--buyer", "anna")
    assert isinstance(buyer, Buyer)
    assert buyer.buyer_id == "anna"
    crowd = holder("--buyers", "3", "--prefix", "load-")
    assert [getattr(one, "buyer_id", "") for one in crowd] == ["load-1", "load-2", "load-3"]
    [operator] = holder("--operator", "olga", "--role", "viewer")
    assert isinstance(operator, Operator)
    assert (operator.name, sorted(operator.roles)) == ("olga", ["viewer"])


def test_operators_are_added_let_in_and_revoked(livesale: Run) -> None:
    # given two operators
    olga = json.loads(succeeded(livesale("operator", "add", "olga", "--json")))
    assert (olga[0]["roles"], olga[0]["state"]) == (["owner"], "active")
    more = ("--role", "clerk", "--store", "s1")
    assert "clerk" in succeeded(livesale("operator", "add", "max", *more))
    # when one gets links, each another one, and the other is revoked
    links = [succeeded(livesale("operator", "login", "olga")).strip() for _ in range(2)]
    for link in links:
        base, _, word = link.partition("/console#login=")
        assert (base, len(word)) == ("http://127.0.0.1:8080", 43)
    assert links[0] != links[1]
    named = succeeded(livesale("operator", "login", "olga", "--url", "https://shop.example/"))
    assert named.startswith("https://shop.example/console#login=")
    succeeded(livesale("operator", "revoke", "max"))
    # then the list and the record say so, without the words of the links
    listed = json.loads(succeeded(livesale("operator", "list", "--json")))
    assert [(one["name"], one["state"]) for one in listed] == [
        ("max", "revoked"),
        ("olga", "active"),
    ]
    record = succeeded(livesale("actions", "--json"))
    commands = [one["action"] for one in json.loads(record)]
    assert commands[0] == "livesale operator revoke"
    assert commands[-1] == "livesale operator add"
    assert not any(link.partition("=")[2] in record for link in [*links, named.strip()])
    # and what cannot be is refused
    refused(livesale("operator", "revoke", "olga"), FAILED, "owner")
    refused(livesale("operator", "login", "max"), FAILED, "restore")
    refused(livesale("operator", "add", "olga"), FAILED, "olga")
    refused(livesale("operator", "add", "Olga!"), REFUSED, "name")
    refused(livesale("operator", "login", "nobody"), FAILED, "operator")
    succeeded(livesale("operator", "restore", "max"))


@pytest.mark.parametrize(
    "args",
    [
        (),
        ("--buyer", "b", "--operator", "o"),
        ("--buyer", "no spaces"),
        ("--operator", "o", "--role", "king"),
        ("--buyers", "0"),
    ],
)
def test_a_token_for_nobody_is_refused(livesale: Run, args: tuple[str, ...]) -> None:
    refused(livesale("token", *args), REFUSED, "Error")


def test_migrate_makes_the_tables_and_may_be_repeated(livesale: Run, mariadb_url: str) -> None:
    first = succeeded(livesale("migrate", "--sql", mariadb_url))
    assert first == succeeded(livesale("migrate", "--sql", mariadb_url))
    assert "revision" in first


def test_a_drop_from_its_creation_to_its_close(livesale: Run) -> None:
    """Each command starts and stops the stores: what one did, the next one finds on disk."""
    # given
    made = json.loads(succeeded(livesale(*CREATE, "--limit", "2", "--hold-s", "1.5", "--json")))
    drop_id = made["drop_id"]
    terms = ("title", "state", "price_fen", "allotted", "buyer_limit", "hold_ms")
    assert [made[name] for name in terms] == ["茶具 set", "draft", 9900, 10, 2, 1500]
    assert made["closes_ms"] - made["opens_ms"] == 3_600_000

    def books() -> dict[str, object]:
        shown: dict[str, object] = json.loads(
            succeeded(livesale("drop", "books", drop_id, "--json"))
        )
        return shown

    def state_after(step: str) -> str:
        done: str = json.loads(succeeded(livesale("drop", step, drop_id, "--json")))["state"]
        return done

    # when, then
    empty = dict.fromkeys(("allotted", "available", "held", "sold", "burned"), 0)
    assert books() == {
        "drop_id": drop_id,
        "state": "draft",
        "redis": empty,
        "sql": empty,
        "lag_entries": 0,
        "ok": True,
    }
    steps = ("open", "pause", "resume")
    assert [state_after(step) for step in steps] == ["open", "paused", "open"]
    key = ("--delta=-4", "--reason", "broken", "--key", "k")
    adjusted = succeeded(livesale("drop", "adjust", drop_id, *key))
    assert "-4, 6 units available" in adjusted
    assert adjusted == succeeded(livesale("drop", "adjust", drop_id, *key))
    assert books() == {
        "drop_id": drop_id,
        "state": "open",
        "redis": empty | {"allotted": 10, "available": 6, "burned": 4},
        "sql": empty,
        "lag_entries": 4,
        "ok": True,
    }
    assert "the books hold: open, 4 log entries" in succeeded(livesale("drop", "books", drop_id))
    assert state_after("close") == "closed"
    refused(livesale("drop", "pause", drop_id), FAILED, "The drop is closed")
    assert drop_id in succeeded(livesale("drop", "list"))


def test_a_drop_can_be_opened_as_it_is_created(livesale: Run) -> None:
    opens = "2030-11-11T20:00:00+08:00"
    made = json.loads(succeeded(livesale(*CREATE, "--opens", opens, "--open", "--json")))
    assert (made["state"], made["opens_ms"]) == ("open", 1_920_628_800_000)


def test_a_challenge_stands_before_the_tickets_of_a_drop_that_has_them(livesale: Run) -> None:
    plain = json.loads(succeeded(livesale(*CREATE, "--json")))
    made = json.loads(succeeded(livesale(*CREATE, "--tickets", "--json")))
    assert (plain["ticket_required"], made["ticket_required"]) == (False, True)
    ask = ("drop", "challenge", made["drop_id"], "--difficulty")
    assert json.loads(succeeded(livesale(*ask, "200", "--json")))["challenge"] == 200
    assert json.loads(succeeded(livesale(*ask, "0", "--json")))["challenge"] == 0
    nobody = livesale("drop", "challenge", plain["drop_id"], "--difficulty", "5")
    assert nobody.returncode != 0
    assert "sells without tickets" in nobody.stderr


@pytest.mark.parametrize(
    ("args", "code", "word"),
    [
        ((*CREATE, "--price-fen", "-1"), REFUSED, "--price-fen"),
        ((*CREATE, "--stock", "0"), REFUSED, "--stock"),
        ((*CREATE, "--limit", "0"), REFUSED, "--limit"),
        ((*CREATE, "--hold-s", "0"), REFUSED, "--hold-s"),
        ((*CREATE, "--lasts-s", "-1"), REFUSED, "--lasts-s"),
        ((*CREATE, "--title", ""), REFUSED, "--title"),
        ((*CREATE, "--sku", "NO SUCH"), REFUSED, "--sku"),
        ((*CREATE, "--opens", "1970-01-01T00:00:00+00:00"), REFUSED, "--opens"),
        ((*CREATE, "--opens", "tomorrow"), REFUSED, "--opens"),
        ((*CREATE, "--campaign", "nosuch"), FAILED, "campaign"),
        (("drop", "open", "nosuch"), FAILED, "no such drop"),
        (("drop", "adjust", "nosuch", "--delta", "0", "--reason", "x"), REFUSED, "must not be 0"),
    ],
)
def test_what_cannot_be_done_to_a_drop_is_said(
    livesale: Run, args: tuple[str, ...], code: int, word: str
) -> None:
    done = livesale(*args)
    refused(done, code, word)
    assert "$." not in done.stderr  # no path into our types


def test_doctor_finds_a_new_machine_in_order(livesale: Run, tmp_path: Path) -> None:
    findings = json.loads(succeeded(livesale("doctor", "--json")))
    verdicts = {finding["topic"]: finding["verdict"] for finding in findings}
    assert verdicts.pop("files") in ("good", "note")
    assert verdicts.pop("queue") in ("good", "note")
    assert verdicts.pop("python") in ("good", "note")
    assert verdicts.pop("disk") in ("good", "note")
    assert verdicts == {
        "versions": "good",
        "settings": "note",
        "data": "note",
        "redis": "good",
        "eviction": "good",
        "durability": "good",
        "rewrites": "good",
        "clock": "good",
        "rights": "good",
        "redis connections": "good",
        "sql": "good",
        "tables": "good",
        "writing": "good",
        "sql connections": "good",
        "refunds": "good",
        "quarantine": "good",
        "partitions": "good",
        "lag": "good",
        "log": "good",
        "memory": "good",
    }
    # and: who only looks leaves nothing
    assert list(tmp_path.iterdir()) == []


def test_doctor_looks_at_the_data_that_are_there(livesale: Run) -> None:
    succeeded(livesale(*CREATE))
    shown = succeeded(livesale("doctor"))
    assert "nothing runs" not in shown
    assert all(line == line.rstrip() for line in shown.splitlines())


def test_doctor_names_every_problem_with_its_cure(livesale: Run, mariadb_url: str) -> None:
    # given three things that are wrong
    server = Valkey("--maxmemory-policy", "allkeys-lru", "--appendfsync", "everysec")
    server.start()
    try:
        done = livesale("doctor", "--redis", server.url, "--sql", mariadb_url, "--json")
    finally:
        server.remove()
    # then all are found in one go
    assert done.returncode == BROKEN, done.stderr
    problems = {
        finding["topic"]: finding["cure"]
        for finding in json.loads(done.stdout)
        if finding["verdict"] == "problem"
    }
    assert problems.keys() == {"eviction", "durability", "tables"}
    assert "noeviction" in problems["eviction"]
    assert "appendfsync always" in problems["durability"]
    assert "livesale migrate" in problems["tables"]


def test_doctor_goes_on_when_redis_is_away(livesale: Run) -> None:
    done = livesale("doctor", "--redis", "redis://127.0.0.1:1")
    assert done.returncode == BROKEN
    assert "cannot be reached" in done.stdout
    assert "SQLite" in done.stdout


def test_audit_of_nothing_is_refused_and_makes_nothing(livesale: Run, tmp_path: Path) -> None:
    refused(livesale("audit"), REFUSED, "no data", "livesale up", "--redis")
    assert list(tmp_path.iterdir()) == []


def test_a_closed_pipe_ends_a_command_without_a_word(process: Run) -> None:
    tokens = f"{sys.executable} -m livesale token --buyers 100000"
    done = process("bash", "-c", f"{tokens} | head -n 1; echo ${{PIPESTATUS[0]}}")
    token, code = done.stdout.split()
    assert token
    assert (code, done.stderr) == ("141", "")


def test_audit_passes_what_holds_and_names_what_does_not(livesale: Run) -> None:
    # given a deployment that has sold nothing yet
    succeeded(livesale("drop", "list"))
    shown = succeeded(livesale("audit", "--settle", "0"))
    assert "BROKEN" not in shown
    assert "● The books hold." in shown
    assert "There are no drops yet" in shown
    # when something happens and no writer moves it into SQL
    succeeded(livesale(*CREATE, "--open"))
    # then the audit says so, as a table and as JSON
    done = livesale("audit", "--settle", "0")
    assert (done.returncode, done.stdout.count("BROKEN")) == (BROKEN, 1)
    assert done.stdout.endswith("● The books do NOT hold.\n")
    assert all(line == line.rstrip() for line in done.stdout.splitlines())
    checks = json.loads(livesale("audit", "--settle", "0", "--json").stdout)
    assert [check["invariant"] for check in checks if not check["ok"]] == ["I9"]
    assert {check["invariant"] for check in checks} >= {f"I{number}" for number in range(1, 11)}
