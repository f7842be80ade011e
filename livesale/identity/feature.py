"""What logins bring to livesale."""

from livesale.feature import Feature
from livesale.identity import routes, tables
from livesale.identity.logins import Logins
from livesale.identity.page_login import PageLogin
from livesale.identity.problems import PROBLEMS
from livesale.identity.sessions import Sessions
from livesale.identity.store import StoredAccounts
from livesale.line.entrance import Accounts
from livesale.tokens.keyring import Keyring
from livesale.tokens.signing import TokenSigner

feature = Feature(
    name="identity",
    routes=routes.ROUTES,
    problems=PROBLEMS,
    parts={
        Accounts: lambda _: StoredAccounts(),
        Logins: lambda parts: Logins(parts.deployment.settings),
        PageLogin: lambda parts: PageLogin(parts.deployment.settings, parts[Keyring]),
        Sessions: lambda parts: Sessions(
            parts.deployment.sql, parts[TokenSigner], parts[Logins].providers
        ),
    },
    running=(Logins,),
    tables=(tables.buyers, tables.joined_logins, tables.wechat_unions),
)
