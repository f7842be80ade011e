"""Another site, and what its pages try to do to an operator who is logged in here."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from playwright.async_api import Page

_FORM = '<form method="post" enctype="{kind}" action="{url}"><input name="{name}" value="{value}">'
_SEND = "<script>document.forms[0].submit()</script>"
_FRAMES = '<iframe name="victim" src="{url}"></iframe>'
_FETCH = """async ([url, method, headers]) => {
    try {
        const mode = method === 'GET' || Object.keys(headers).length ? 'cors' : 'no-cors'
        const answer = await fetch(url, {method, headers, mode, credentials: 'include',
                                         body: method === 'GET' ? undefined : '{}'})
        return answer.type === 'opaque' ? 'sent' : await answer.text()
    } catch (error) { return 'refused' }
}"""
_SOCKET = """(url) => new Promise(done => {
    const socket = new WebSocket(url)
    socket.onmessage = event => done(event.data)
    socket.onerror = () => done('refused')
})"""


class Elsewhere:
    """Pages of another site; `url` of a host that is not ours, `beside` of ours with another
    port: cookies go along there."""

    def __init__(self, port: int) -> None:
        self.url = f"http://localhost:{port}"
        self.beside = f"http://127.0.0.1:{port}"

    async def fetch(self, page: Page, url: str, method: str = "GET", **headers: str) -> str:
        """What a script there reads of an answer."""
        return str(await page.evaluate(_FETCH, [url, method, headers]))

    async def listen(self, page: Page, url: str) -> str:
        """The first message of a socket."""
        return str(await page.evaluate(_SOCKET, url))


@asynccontextmanager
async def elsewhere() -> AsyncIterator[Elsewhere]:
    async def show(request: web.Request) -> web.Response:
        query = request.query
        body = ""
        if "frame" in query:
            body = _FRAMES.format(url=query["frame"])
        elif "form" in query:
            # as text/plain a form can send JSON
            body = _FORM.format(
                kind="text/plain", url=query["form"], name="{&quot;x&quot;:&quot;", value="&quot;}"
            )
            body += _SEND
        return web.Response(
            text=f"<!doctype html><title>elsewhere</title>{body}", content_type="text/html"
        )

    app = web.Application()
    app.router.add_get("/", show)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)  # `localhost` leads there, too
    await site.start()
    try:
        yield Elsewhere(runner.addresses[0][1])
    finally:
        await runner.cleanup()
