"""The demo, from an empty folder to the audit."""

import asyncio
import contextlib
import random
import secrets
import time
from collections.abc import Callable

from msgspec import Struct

from livesale.demo.bank import Bank
from livesale.demo.beside import beside
from livesale.demo.gate import Gate
from livesale.demo.options import CONNECTIONS, CROWDS, EXTRA_S, HOLD_MS, DemoOptions
from livesale.demo.plan import Buyer, buyer_ids, plan_crowd
from livesale.demo.scene import Scene
from livesale.demo.shop import put_on_sale
from livesale.demo.stage import set_stage
from livesale.demo.verdict import Figures, figures_of, judge
from livesale.demo.watch import SAMPLE_S, SQL_SAMPLE_S, Watch
from livesale.demo.wire import Job, Report, Word
from livesale.ledger.catch_up import wait_until_caught_up
from livesale.operations.audit import Check, audit
from livesale.printing.wording import counted
from livesale.resources import Deployment
from livesale.settings import Settings
from livesale.tokens.signing import TokenSigner
from loadtests.checks import Finding

LEAD_MS = 3_000
LAST_HOLDS_S = HOLD_MS / 1000 + 5.0  # for the last unpaid hold to expire
CATCH_UP_S = 15.0
CLOSES_LATER_S = 60.0  # than the last buyer leaves
OPERATOR = "demo"


class Result(Struct, frozen=True):
    """What the demo found."""

    ok: bool
    figures: Figures
    checks: list[Finding]
    audit: list[Check]


async def play(settings: Settings, options: DemoOptions, scene: Scene) -> Result:
    """Run the demo and judge it. Keeps `scene` up to date for whoever draws it.

    Raises Refused, StartFailed, ShopClosed or CrowdGone when it cannot be played.
    """
    began = time.monotonic()
    gate = Gate()
    try:
        scene.phase = f"starting {counted(options.workers, 'API worker')}, writer and keeper"
        await gate.open(CROWDS)
        async with set_stage(settings) as (deployment, url):
            scene.url = url
            result = await _sell(deployment, url, options, scene, gate, began)
            scene.phase = "stopping the processes"
        scene.phase = "all processes have stopped"
        return result
    finally:
        await gate.close()


async def _sell(
    deployment: Deployment, url: str, options: DemoOptions, scene: Scene, gate: Gate, began: float
) -> Result:
    chance = random.Random(options.seed)
    signer = TokenSigner.from_settings(deployment.settings)
    scene.phase = f"signing {counted(options.buyers, 'token')}"
    # Another prefix each time: a deployment of one's own may have seen a demo before.
    ids = buyer_ids(options, f"demo{secrets.token_hex(3)}")
    tokens = {buyer_id: signer.buyer(buyer_id) for buyer_id in ids}
    buyers = plan_crowd(options, tokens, chance.randrange(2**32))
    scene.phase = "putting the goods on sale"
    last_s = options.seconds + EXTRA_S
    drop_id, opens_ms = await put_on_sale(
        url, signer.operator(OPERATOR), options, LEAD_MS, int(last_s + CLOSES_LATER_S) * 1000
    )

    def job(share: list[Buyer], number: int) -> Job:
        port = deployment.settings.http.port
        seed = chance.randrange(2**32) + number
        return Job("127.0.0.1", port, drop_id, opens_ms, last_s, CONNECTIONS, seed, share)

    await gate.send_in(buyers, job)
    scene.now_s = (await deployment.engine.now_ms() - opens_ms) / 1000
    scene.opens, scene.phase = True, "the crowd waits at the door"
    bank = Bank(deployment.engine, scene.bank)
    watch = Watch(deployment, drop_id, opens_ms, scene)
    async with beside(*watch.works(), *bank.works(), _tell_the_crowd(gate, scene)):
        await gate.listen(lambda report: _hear(report, gate, scene, bank))
        await bank.settle()
        scene.note("the crowd has left")
        await _wait_for_last_holds(scene)
        behind = await wait_until_caught_up(deployment, CATCH_UP_S)
        scene.note("SQL is BEHIND the log" if behind else "SQL holds the whole log")
        await asyncio.sleep(SQL_SAMPLE_S + 0.1)  # for the view to see it
    scene.over, scene.phase = True, "auditing"
    rows = await watch.read_orders()
    checks = judge(scene, rows, bank.paid)
    found = await audit(deployment, settle_s=CATCH_UP_S)
    figures = figures_of(scene, rows, opens_ms, time.monotonic() - began)
    ok = all(check.ok for check in checks) and all(check.ok for check in found)
    return Result(ok, figures, checks, found)


def _hear(report: Report, gate: Gate, scene: Scene, bank: Bank) -> None:
    scene.hear(report)
    scene.here = sum(gate.here.values())
    bank.take(report.bills)


async def _tell_the_crowd(gate: Gate, scene: Scene) -> None:
    """Once every unit is paid nothing can come back, and the patient may go home."""
    await _until(lambda: 0 < scene.stand.allotted == scene.stand.sold)
    await gate.say(Word(all_sold=True))


async def _wait_for_last_holds(scene: Scene) -> None:
    """Until the last unpaid hold has expired: bounded, a hold that never does is a finding."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LAST_HOLDS_S):
            await _until(lambda: not scene.stand.held)


async def _until(seen: Callable[[], bool]) -> None:
    """Poll what the samplers write into the scene: they see Redis change, nothing tells them."""
    while not seen():  # noqa: ASYNC110
        await asyncio.sleep(SAMPLE_S)
