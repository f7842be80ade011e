"""A phone with the built mini-program on it: `faces/wechat` in Node, driven line by line."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from scripts import faces
from tests.waiting import until

Answer = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]
LINE_BYTES = 16_000_000
SEE_S = 20.0


class Phone:
    """`answers` has what the person, or WeChat, does: by the name of the call of `wx`."""

    def __init__(self, process: asyncio.subprocess.Process, answers: dict[str, Answer]) -> None:
        self._process = process
        self.answers = answers
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._number = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def do(self, deed: str, **given: Any) -> dict[str, Any]:
        self._number += 1
        number = self._number
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        self._write({"id": number, "do": deed, **given})
        found = await answer
        assert "fault" not in found, found["fault"]
        return found

    async def text(self) -> str:
        return " ".join(str((await self.do("text")).get("text", "")).split())

    async def see(self, *words: str) -> None:
        """Wait until the page shows one of the words. Raises TimeoutError with what it shows."""
        shown = ""

        async def one_is_shown() -> bool:
            nonlocal shown
            shown = await self.text()
            return any(word in shown for word in words)

        try:
            await until(one_is_shown, SEE_S)
        except TimeoutError:
            faults = (await self.report())["faults"]
            raise TimeoutError(f"none of {words} is in: {shown}; faults: {faults}") from None

    async def tap(self, text: str, index: int = 0) -> None:
        """Tap what shows the text, as soon as it can be tapped."""

        async def is_tapped() -> bool:
            return bool((await self.do("tap", text=text, index=index))["done"])

        try:
            await until(is_tapped, SEE_S)
        except TimeoutError:
            raise TimeoutError(f"{text!r} cannot be tapped in: {await self.text()}") from None

    async def report(self) -> dict[str, Any]:
        return await self.do("report")

    async def listen(self) -> None:
        assert self._process.stdout is not None
        async for raw in self._process.stdout:
            line = json.loads(raw)
            if "ask" in line:
                self._start(self._answer(line))
            elif not (answer := self._waiting.pop(line["id"])).done():
                answer.set_result(line)
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(AssertionError("the phone has died: its stderr says why"))

    async def _answer(self, line: dict[str, Any]) -> None:
        name = line["name"]
        known = self.answers.get(name)
        found = await known(line["options"]) if known else {"fail": f"{name}:fail cancel"}
        self._write({"ask": line["ask"], "answer": found})

    def _start(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _write(self, line: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(line).encode() + b"\n")


@asynccontextmanager
async def open_phone(
    folder: Path, address: str, *, language: str = "zh_CN", **answers: Answer
) -> AsyncIterator[Phone]:
    """The mini-program of a folder, which may ask one address only."""
    await asyncio.to_thread(faces.install)
    words = faces.node_command(str(faces.FACES / "wechat/main.ts"), str(folder), address, language)
    process = await asyncio.create_subprocess_exec(
        *words,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=LINE_BYTES,
    )
    phone = Phone(process, answers)
    listening = asyncio.create_task(phone.listen())
    try:
        yield phone
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), 5)
        except TimeoutError:
            process.kill()
            await process.wait()
        await listening
