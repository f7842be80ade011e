"""The shared state of one Locust run: the sale, the journal, the end.

A Locust file calls `STAGE.set(...)` once, when it is loaded. The master (or the only process) then
refuses a target that is not confirmed, creates the drops when the test starts, and sends them to
every worker; each process writes its own journal. If you run `locust` by hand, the master makes the
checks at the end; `livesale load` makes them itself.
"""

import os
import random
import secrets
import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent
import msgspec
from gevent.event import Event
from locust import events
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment
from locust.exception import RescheduleTask
from locust.runners import MasterRunner, WorkerRunner
from msgspec import Struct

from loadtests.after import conclude, keep
from loadtests.history import Broke, Drop
from loadtests.journal import FileJournal
from loadtests.line import at_once
from loadtests.paper import lines_of
from loadtests.plain_line import PlainLine, WallTime
from loadtests.sale import (
    Lot,
    SaleRefused,
    check_login,
    check_operator,
    put_on_sale,
    server_ms,
)
from loadtests.scenarios import (
    AWAY,
    REFUSED,
    REPORT_VARIABLE,
    SCENARIOS,
    TOKEN_VARIABLE,
    Scenario,
)
from loadtests.stats import Beat, write_beat, write_latencies
from loadtests.target import (
    FLAG,
    VARIABLE,
    Target,
    TargetAway,
    TargetRefused,
    check_answers,
    parse_target,
)
from loadtests.tokens import NoTokens, read_tokens

BEAT_S = 1.0
LEAVE_S = 0.1
STOP_S = "10"  # time for requests in flight at the end
_SALE, _GIVE_UP = "livesale_sale", "livesale_give_up"


class Sale(Struct, frozen=True):
    """The master's message to the workers."""

    run_id: str
    offset_ms: float  # the service's clock minus this machine's
    drops: list[Drop]
    tokens: list[str] | None
    url: str


Lots = Callable[[int, float], list[Lot]]


class Stage:
    """One per process: a Locust process plays one scenario."""

    def __init__(self) -> None:
        self.drops: list[Drop] = []
        self.run_id = ""
        self.over = False
        self._started = False
        self.journal: FileJournal
        self.scenario: Scenario
        self._lots: Lots
        self._target: Target
        self.where: Target
        self._open, self._closing = Event(), Event()
        self._offset_ms = 0.0
        self._people = 0
        self._environment: Environment
        self._tokens: list[str] | None = None

    def set(self, name: str, lots: Lots) -> None:
        """Run this scenario. `lots` makes the lots from the number of users and seconds."""
        self.scenario, self._lots = SCENARIOS[name], lots
        # Before Locust forks its workers: all of them write into this folder.
        given = os.environ.get(REPORT_VARIABLE)
        self.report = Path(given or tempfile.mkdtemp(prefix=f"livesale-{name}-"))
        self._judged_elsewhere = given is not None
        events.init_command_line_parser.add_listener(self._add_flags)
        events.init.add_listener(self._init)
        events.test_start.add_listener(self._start)
        events.test_stopping.add_listener(lambda **_: self._closing.set())
        events.test_stop.add_listener(lambda **_: self.journal.flush())
        events.quitting.add_listener(self._quit)

    # For people.

    def wait_until_open(self) -> None:
        """Wait for the drops. Raises RescheduleTask when the test ends."""
        while not self._open.wait(0.5):
            self._rest(0)
        self._rest(0)

    def now_ms(self) -> float:
        """The service's clock, as the master measured it."""
        return time.time() * 1000 + self._offset_ms

    async def sleep(self, seconds: float) -> None:
        """Raises RescheduleTask when the test ends: Locust then stops the user."""
        self._rest(seconds)

    def _rest(self, seconds: float) -> None:
        if self._closing.wait(max(0.0, seconds)):
            gevent.sleep(LEAVE_S)  # Locust says that the test stops before it stops people
            raise RescheduleTask

    def next_person(self) -> tuple[str, str, str]:
        """A name that nobody else has; or, from a file of tokens, an id (perhaps empty) and a
        token: `name, buyer_id, token`."""
        self._people += 1
        name = f"load-{self.run_id}-{os.getpid()}-{self._people}"
        if self._tokens is None:
            return name, "", ""
        words = self._tokens[(self._people - 1) % len(self._tokens)].split()
        return name, words[0] if len(words) == 2 else "", words[-1]

    @property
    def operator_token(self) -> str:
        return os.environ.get(TOKEN_VARIABLE, "")

    def give_up(self, why: str, code: int = REFUSED) -> None:
        """End the whole test because it cannot run: the shape stops when `over` is set."""
        if self.over:
            return
        if not isinstance(self._environment.runner, WorkerRunner):
            _say(why)
        self.over = True
        self._closing.set()
        self._environment.process_exit_code = code
        runner = self._environment.runner
        if isinstance(runner, WorkerRunner):
            runner.send_message(_GIVE_UP, {"why": why})

    # Events of Locust.

    def _add_flags(self, parser: LocustArgumentParser, **_: Any) -> None:
        parser.set_defaults(
            num_users=self.scenario.users,
            run_time=f"{self.scenario.lasts_s}s",
            stop_timeout=STOP_S,
        )
        parser.add_argument(
            FLAG,
            action="append",
            default=[],
            metavar="HOST",
            dest="owned_hosts",
            include_in_web_ui=False,
            help=f"A host that you own and may load; {VARIABLE} names more",
        )
        parser.add_argument(
            "--tokens",
            metavar="FILE",
            dest="tokens_file",
            default="",
            include_in_web_ui=False,
            help="Buyers' tokens, one on each line, if the dev login is off",
        )

    def _init(self, environment: Environment, **_: Any) -> None:
        self._environment = environment
        self.journal = FileJournal(self.report / "journal")
        runner, options = environment.runner, environment.parsed_options
        assert runner is not None  # noqa: S101  Locust makes it before it fires this
        assert options is not None  # noqa: S101
        if isinstance(runner, WorkerRunner):
            runner.register_message(_SALE, self._hear_from_master)
        else:
            runner.register_message(_GIVE_UP, lambda msg, **_: self.give_up(msg.data["why"]))
            if environment.host:  # else the user enters it on the web page
                self._check(environment.host)
            gevent.spawn(self._beat)
        gevent.spawn(self._flush)

    def _start(self, environment: Environment, **_: Any) -> None:
        if self._started:  # started again on Locust's page, maybe with an unchecked host
            self.give_up("one run only: start Locust again for another")
            return
        self._started = True
        runner, options = environment.runner, environment.parsed_options
        assert runner is not None  # noqa: S101
        assert options is not None  # noqa: S101
        if isinstance(runner, WorkerRunner):
            return
        lots = self._lots(options.num_users, options.run_time)
        try:
            sale = self._make_sale(lots)
        except (TargetRefused, TargetAway, SaleRefused, NoTokens) as problem:
            self.give_up(str(problem), _code_of(problem))
            return
        for drop in sale.drops:
            self.journal.note(drop)
        if isinstance(runner, MasterRunner):
            # A token is one buyer on one phone, so no two workers share one.
            clients = list(runner.clients)
            for number, client_id in enumerate(clients):
                share = sale.tokens and sale.tokens[number :: len(clients)]
                text = msgspec.json.encode(msgspec.structs.replace(sale, tokens=share)).decode()
                runner.send_message(_SALE, {"sale": text}, client_id)
        self._hear(sale)

    def _make_sale(self, lots: list[Lot]) -> Sale:
        options = self._environment.parsed_options
        assert options is not None  # noqa: S101
        target = self._target = parse_target(self._environment.host or "", options.owned_hosts)
        check_answers(target)
        tokens = _tokens_of(options)
        run_id = secrets.token_hex(3)
        title = f"Load test {self.scenario.name} {run_id}"
        with PlainLine(target) as line:
            drops = at_once(
                put_on_sale(
                    line,
                    self.operator_token,
                    title,
                    lots,
                    options.run_time,
                    in_room=self.scenario.in_room,
                )
            )
            offset_ms = at_once(server_ms(line)) - time.time() * 1000
        return Sale(run_id, offset_ms, drops, tokens, target.url)

    def _hear_from_master(self, msg: Any, **_: Any) -> None:
        self._hear(msgspec.json.decode(msg.data["sale"], type=Sale))

    def _hear(self, sale: Sale) -> None:
        options = self._environment.parsed_options
        assert options is not None  # noqa: S101
        self.where = parse_target(sale.url, options.owned_hosts)
        self.run_id, self.drops = sale.run_id, sale.drops
        self._offset_ms, self._tokens = sale.offset_ms, sale.tokens
        self._open.set()

    def broke(self, why: str) -> None:
        """The ramp has found the limit."""
        runner = self._environment.runner
        assert runner is not None  # noqa: S101
        self.journal.note(Broke(runner.user_count, round(runner.stats.total.current_rps, 1), why))

    def _check(self, host: str) -> None:
        """Check the host and tokens; exit at once with one line if the test cannot run."""
        options = self._environment.parsed_options
        assert options is not None  # noqa: S101
        try:
            target = parse_target(host, options.owned_hosts)
            check_answers(target)
            tokens = _tokens_of(options)
            with PlainLine(target) as line:
                at_once(check_operator(line, self.operator_token))
                if tokens is None:
                    at_once(check_login(line))
        except (TargetRefused, TargetAway, SaleRefused, NoTokens) as problem:
            _say(str(problem))
            sys.exit(_code_of(problem))

    def _beat(self) -> None:
        """Write the progress for `livesale load`."""
        runner = self._environment.runner
        assert runner is not None  # noqa: S101
        began = time.monotonic()
        while True:
            total = runner.stats.total
            write_beat(
                self.report,
                Beat(
                    at_s=time.monotonic() - began,
                    users=runner.user_count,
                    requests=total.num_requests,
                    failures=total.num_failures,
                    per_s=total.current_rps,
                    p95_ms=total.get_current_response_time_percentile(0.95) or 0,
                    opens_s=[(drop.opens_ms - self.now_ms()) / 1000 for drop in self.drops],
                ),
            )
            gevent.sleep(BEAT_S)

    def _flush(self) -> None:
        while True:
            gevent.sleep(BEAT_S)
            self.journal.flush()

    def _quit(self, environment: Environment, **_: Any) -> None:
        runner = environment.runner
        self.journal.flush()
        if runner is None or isinstance(runner, WorkerRunner):
            return
        write_latencies(self.report, runner.stats)
        if self._judged_elsewhere or not self.drops:
            return
        with PlainLine(self._target) as line:
            concluding = conclude(
                self.scenario, self._target, self.report, line, WallTime(), self.operator_token
            )
            result = at_once(concluding)
        keep(result)
        print("\n".join(lines_of(result)))
        environment.process_exit_code = 0 if result.ok else 1


STAGE = Stage()


def chance() -> random.Random:
    """A random generator for one user."""
    return random.Random()


def _tokens_of(options: Namespace) -> list[str] | None:
    return read_tokens(Path(options.tokens_file)) if options.tokens_file else None


def _code_of(problem: Exception) -> int:
    return AWAY if isinstance(problem, TargetAway) else REFUSED


def _say(problem: str) -> None:
    print(f"livesale: {problem}", file=sys.stderr, flush=True)
