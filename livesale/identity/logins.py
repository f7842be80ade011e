"""The ways to log in that the settings switch on."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager

from livesale.identity.login import DevLogin, LoginProvider, WeChatLogin, WeChatPageLogin
from livesale.settings import Settings
from livesale.wechat.client import Bounds


class Logins:
    """`providers`, with connections of their own while this is `running`."""

    def __init__(self, settings: Settings) -> None:
        self.providers = list(_providers(settings))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for provider in self.providers:
                if isinstance(provider, WeChatLogin | WeChatPageLogin):
                    await stack.enter_async_context(provider.running())
            yield


def _providers(settings: Settings) -> Iterator[LoginProvider]:
    if settings.auth.dev_login:
        yield DevLogin()
    wechat, account = settings.wechat, settings.official_account
    for make, app in ((WeChatLogin, wechat), (WeChatPageLogin, account)):
        if app.appid:
            yield make(
                appid=app.appid,
                secret=app.secret.get_secret_value(),
                base_url=wechat.base_url,
                timeout_s=wechat.timeout_ms / 1000,
                bounds=Bounds(settings.limits.outside_at_once, settings.limits.outside_per_s),
                proxy=wechat.proxy.get_secret_value(),
            )
