"""Opening a session: a login code becomes a buyer with a token."""

from collections.abc import Iterable

from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncEngine

from livesale.identity.login import LoginProvider
from livesale.identity.store import know_buyer
from livesale.tokens.errors import ProviderOff
from livesale.tokens.signing import TokenSigner


class Session(Struct, frozen=True):
    token: str
    buyer_id: str
    expires_ms: int

    def __repr__(self) -> str:
        return f"Session({self.buyer_id!r}, expires_ms={self.expires_ms})"


class Sessions:
    def __init__(
        self, sql: AsyncEngine, signer: TokenSigner, providers: Iterable[LoginProvider]
    ) -> None:
        self._sql = sql
        self._signer = signer
        self._providers = {provider.name: provider for provider in providers}

    async def open(self, provider: str, code: str) -> Session:
        """Log in with a provider's one-time code. Raises LoginFault or StoreUnavailable."""
        login = self._providers.get(provider)
        if login is None:
            raise ProviderOff(f"login by {provider} is not switched on here")
        identity = await login.identify(code)
        # Before the token: everybody who can buy can get money back.
        buyer_id = await know_buyer(self._sql, identity)
        expires_ms = self._signer.buyer_expiry_ms()
        token = self._signer.buyer(buyer_id, expires_ms, login.app)
        return Session(token, buyer_id, expires_ms)
