"""The port for codes of the mini-program: pictures that open one of its pages. No I/O.

`livesale.wechat.mini_codes` implements it.
"""

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from livesale.errors import LivesaleError


class CodeUnavailable(LivesaleError):
    """WeChat is away, or busy."""


class CodeRefused(LivesaleError):
    """WeChat will not draw this one, such as for a page that is not released."""


class MiniCodes(Protocol):
    @property
    def on(self) -> bool:
        """Whether a mini-program is set up."""
        ...

    def running(self) -> AbstractAsyncContextManager[None]:
        """Opens the connections; `draw` needs it."""
        ...

    async def draw(self, scene: str, page: str) -> bytes:
        """The picture of a code that opens a page with this scene, of at most 32 characters.

        Raises CodeUnavailable, CodeRefused or Crowded.
        """
        ...
