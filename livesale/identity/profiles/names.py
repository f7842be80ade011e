"""Names of people: cleaned and checked like comments, because others read them likewise."""

import re
from collections.abc import Iterable
from typing import Annotated

from msgspec import Meta

from livesale.validation.blocked_words import BlockedWords
from livesale.validation.refusals import InvalidField, NameBlocked
from livesale.validation.speech import clean
from livesale.validation.texts import whole

# A host and a path, and nothing that two readers might take for another host.
_avatar = re.compile(r"https://([a-z0-9.-]+)/[A-Za-z0-9._~/?=&%+,;:!$()*-]*").fullmatch

MAX_SENT = 200  # characters, before cleaning
MAX_NAME = 32  # behind it; WeChat's have at most as many

SentName = Annotated[
    str, Meta(min_length=1, max_length=MAX_SENT, description=f"at most {MAX_NAME} characters")
]
AvatarUrl = Annotated[
    str, whole(r"^https://[!-~]{1,490}$", description="https, on a host of the settings")
]


class Names:
    """One per process."""

    def __init__(self, words: BlockedWords, avatar_hosts: Iterable[str]) -> None:
        self._words = words
        self._hosts = frozenset(avatar_hosts)

    def name(self, text: str, field: str) -> str:
        """The name as others see it. Raises InvalidField or NameBlocked."""
        seen = clean(text)
        if not seen:
            raise InvalidField(field, "The name has no visible characters.")
        if len(seen) > MAX_NAME:
            raise InvalidField(field, f"A name has at most {MAX_NAME} characters.")
        if self._words.found_in(seen):
            raise NameBlocked(field)
        return seen

    def avatar(self, url: str, field: str) -> str:
        """The address of a picture. Every viewer's phone asks it, so it must be on a host that the
        settings trust: another one would learn who watches. Raises InvalidField."""
        found = _avatar(url)
        if found is None or found[1] not in self._hosts:
            detail = "The picture must be on a host of LIVESALE__AUTH__AVATAR_HOSTS, or uploaded."
            raise InvalidField(field, detail)
        return url
