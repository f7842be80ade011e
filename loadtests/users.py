"""The people as users of Locust: their HTTP client, and the order of their actions."""

from typing import Any

from gevent.ssl import create_default_context
from locust import FastHttpUser, task

from loadtests.history import Drop
from loadtests.line import Answer, Line, Request, at_once, counted_as, read_answer
from loadtests.people.browser import Browser
from loadtests.people.buyer import Buyer, Character
from loadtests.people.operator import Operator
from loadtests.people.waiter import Waiter
from loadtests.sale import SaleRefused
from loadtests.stage import STAGE, chance

TIMEOUT_S = 10.0
AGAIN_S = (5.0, 10.0)  # seconds between later looks of a buyer who is done


class LocustLine(Line):
    """Requests of one user, counted by Locust and in the journal."""

    def __init__(self, user: FastHttpUser) -> None:
        self._client = user.client

    async def carry(self, request: Request) -> Answer:
        """For Locust, sold out is no failure; 5xx and missing answers are."""
        with self._client.request(
            request.method,
            request.path,
            name=request.name,
            json=request.body,
            headers=request.headers(),
            catch_response=True,
            allow_redirects=False,
        ) as response:
            wait = response.headers.get("Retry-After") if response.headers else None
            status = response.status_code or 0
            answer = read_answer(request.name, status, response.content, wait)
            if not answer.status or answer.status >= 500 or answer.code == "unreadable":
                response.failure(f"{answer.status or 'no answer'} {answer.code}")
            else:
                response.success()
        # A user stopped in the middle of a request never gets here: no answer to count.
        STAGE.journal.count(counted_as(request.name, answer))
        return answer


class Person(FastHttpUser):
    """One greenlet, one connection."""

    abstract = True
    insecure = False
    ssl_context_factory = staticmethod(create_default_context)
    network_timeout = connection_timeout = TIMEOUT_S
    concurrency = 1

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self.chance = chance()
        self.line = LocustLine(self)

    @task
    def come(self) -> None:
        STAGE.wait_until_open()
        at_once(self.live())

    async def live(self) -> None:
        """What this person does once the drops exist."""
        raise NotImplementedError

    def newest(self) -> Drop:
        """The drop that opened last, or the first one to open."""
        opened = [drop for drop in STAGE.drops if drop.opens_ms <= STAGE.now_ms()]
        return opened[-1] if opened else STAGE.drops[0]


class Customer(Person):
    """A user who buys."""

    abstract = True
    character = Character()
    kind: type[Buyer] = Buyer

    async def enter(self) -> Buyer | None:
        """A new buyer, logged in; None if the login failed."""
        name, buyer_id, token = STAGE.next_person()
        buyer = self.kind(
            self.line,
            STAGE.journal,
            STAGE,
            self.chance,
            self.character,
            name=buyer_id if token else name,
            token=token,
        )
        try:
            return buyer if await buyer.log_in() else None
        except SaleRefused as refused:
            STAGE.give_up(str(refused))
            return None


class BuyerUser(Customer):
    """Comes early, buys at each opening, and reads the newest drop now and then."""

    abstract = True

    async def live(self) -> None:
        buyer = await self.enter()
        if buyer is None:
            return
        for drop in STAGE.drops:
            if drop.opens_ms < STAGE.now_ms() - 10_000:
                continue  # it opened long ago
            await buyer.look(drop)
            await buyer.wait_for_opening(drop)
            held = await buyer.buy(drop)
            if held is not None:
                await buyer.decide(held)
                await buyer.check_order(held)
        while True:
            await STAGE.sleep(self.chance.uniform(*AGAIN_S))
            await buyer.look(self.newest())


class WaiterUser(Customer):
    """Joins the line of each drop, and waits until it is bought or gone."""

    abstract = True
    kind = Waiter

    async def live(self) -> None:
        waiter = await self.enter()
        if not isinstance(waiter, Waiter):
            return
        for drop in STAGE.drops:
            held = await waiter.wait_and_buy(drop)
            if held is not None:
                await waiter.decide(held)
                await waiter.check_order(held)
        while True:
            await STAGE.sleep(self.chance.uniform(*AGAIN_S))
            await waiter.look(self.newest())


class ShopperUser(Customer):
    """Buys again and again; each time as a new buyer if `born_anew`."""

    abstract = True
    rests_s = (0.2, 1.0)
    born_anew = True
    _buyer: Buyer | None = None

    async def live(self) -> None:
        buyer = self._buyer or await self.enter()
        if buyer is None:
            return
        if not self.born_anew:
            self._buyer = buyer
        drop = self.newest()
        if drop.opens_ms > STAGE.now_ms():
            await buyer.wait_for_opening(drop)
        held = await buyer.buy(drop)
        if held is not None:
            await buyer.decide(held)
        await STAGE.sleep(self.chance.uniform(*self.rests_s))


class BotUser(BuyerUser):
    """A bot: starts before the opening, without jitter, and asks far too often."""

    abstract = True
    character = Character(
        jitter_s=0.0, early_s=0.3, patience=200, every_s=(0.02, 0.1), pays=1.0, polls=False
    )


class BrowserUser(Person):
    """Only reads."""

    abstract = True

    async def live(self) -> None:
        await Browser(self.line, STAGE, self.chance).stroll(self.newest())


class OperatorUser(Person):
    """Watches the books; after each opening pauses or restocks the drop, as its attributes say."""

    abstract = True
    fixed_count = 1
    pauses_s = 0.0
    restock = 0
    after_s = 3.0  # from the opening to the pause or restock

    async def live(self) -> None:
        operator = Operator(self.line, STAGE.journal, STAGE, self.chance, STAGE.operator_token)
        waiting = list(STAGE.drops)
        while True:
            await operator.watch(STAGE.drops)
            if waiting and STAGE.now_ms() > waiting[0].opens_ms + self.after_s * 1000:
                drop = waiting.pop(0)
                if self.pauses_s:
                    await operator.pause_and_resume(drop, self.pauses_s)
                if self.restock:
                    await operator.restock(drop, self.restock)
