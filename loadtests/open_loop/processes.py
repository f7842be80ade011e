"""Runs one schedule in one or more processes, which start at the same moment."""

import multiprocessing
import secrets
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection as Pipe

import uvloop
from msgspec import Struct

from loadtests.open_loop import arrivals, requests
from loadtests.open_loop.driver import Driver
from loadtests.open_loop.result import Packed, Result, Tally, result_of
from loadtests.target import Target, TargetAway

START_S = 0.1  # from the start signal to the first due time


class Plan(Struct, frozen=True):
    """The load on a target. With a `drop_id` buyers reserve, without one they GET `path`.

    With `patient` off the run ends on time; requests still in line are not sent.
    """

    target: Target
    rate: float
    seconds: float
    poisson: bool = False
    seed: int = 1
    connections: int = 256
    processes: int = 1
    timeout_s: float = 10.0
    patient: bool = True
    path: str = "/"
    drop_id: str = ""
    tokens: Sequence[str] = ()

    @property
    def arrivals(self) -> str:
        return "Poisson" if self.poisson else "fixed"


def run(plan: Plan) -> Result:
    """Run the whole plan. Raises TargetAway."""
    tally = Tally()
    if plan.processes == 1:
        tally = uvloop.run(_alone(plan))
    else:
        for share in _together(plan):
            tally.add(share)
    return result_of(
        tally,
        rate=plan.rate,
        seconds=plan.seconds,
        arrivals=plan.arrivals,
        connections=plan.connections,
        processes=plan.processes,
    )


async def _alone(plan: Plan) -> Tally:
    driver = _driver(plan, 0, secrets.token_hex(4))
    await driver.connect()
    return await driver.drive(time.monotonic() + START_S)


def _together(plan: Plan) -> list[Packed]:
    context = multiprocessing.get_context("spawn")
    salt = secrets.token_hex(4)
    pipes, children = [], []
    try:
        for share in range(plan.processes):
            ours, theirs = context.Pipe()
            child = context.Process(target=_child, args=(plan, share, salt, theirs), daemon=True)
            child.start()
            theirs.close()
            pipes.append(ours)
            children.append(child)
        for pipe in pipes:
            _hear(pipe)  # the signal "connected"
        start_s = time.monotonic() + START_S
        for pipe in pipes:
            pipe.send(start_s)
        found = [_hear(pipe) for pipe in pipes]
        return [share for share in found if isinstance(share, Packed)]
    finally:
        for child in children:
            child.join(timeout=1)
            child.kill()


def _hear(pipe: Pipe) -> object:
    try:
        word: object = pipe.recv()
    except EOFError:
        raise RuntimeError("a process of the generator died") from None
    if isinstance(word, TargetAway):
        raise word
    return word


def _child(plan: Plan, share: int, salt: str, pipe: Pipe) -> None:
    uvloop.run(_share(plan, share, salt, pipe))


async def _share(plan: Plan, share: int, salt: str, pipe: Pipe) -> None:
    driver = _driver(plan, share, f"{salt}.{share}")
    try:
        await driver.connect()
    except TargetAway as away:
        pipe.send(away)
        return
    pipe.send(None)
    tally = await driver.drive(pipe.recv())
    pipe.send(tally.packed())


def _driver(plan: Plan, share: int, salt: str) -> Driver:
    authority = plan.target.authority
    if plan.drop_id:
        ours = plan.tokens[share :: plan.processes]
        ask = requests.reservations(authority, plan.drop_id, ours, salt)
    else:
        ask = requests.gets(authority, plan.path)
    if plan.poisson:
        due = arrivals.poisson(
            plan.rate, plan.seconds, plan.seed, share=share, shares=plan.processes
        )
    else:
        due = arrivals.fixed(plan.rate, plan.seconds, share=share, shares=plan.processes)
    connections = max(1, plan.connections // plan.processes)
    return Driver(plan.target, ask, due, connections, plan.timeout_s, patient=plan.patient)
