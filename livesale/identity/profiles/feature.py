"""The feature "profiles"."""

from livesale.catalogue.pictures.service import Pictures
from livesale.feature import Feature
from livesale.identity.profiles import routes, tables
from livesale.identity.profiles.avatars import Avatars
from livesale.identity.profiles.names import Names
from livesale.identity.profiles.problems import PROBLEMS
from livesale.identity.profiles.service import Profiles
from livesale.validation.blocked_words import BlockedWords, load_words, words_file

feature = Feature(
    name="profiles",
    routes=routes.ROUTES,
    problems=PROBLEMS,
    parts={
        BlockedWords: lambda parts: load_words(words_file(parts.deployment.settings)),
        Names: lambda parts: Names(
            parts[BlockedWords], parts.deployment.settings.auth.avatar_hosts
        ),
        Profiles: lambda parts: Profiles(parts.deployment.sql, parts[Names]),
        Avatars: lambda parts: Avatars(parts[Pictures], parts[Profiles]),
    },
    tables=(tables.profiles,),
)
