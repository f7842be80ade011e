"""The feature "operators"."""

from livesale.feature import Feature
from livesale.identity.operators import admin_routes, routes, tables
from livesale.identity.operators.codes import Codes
from livesale.identity.operators.login import OperatorLogin
from livesale.identity.operators.own import Account
from livesale.identity.operators.passwords import Passwords
from livesale.identity.operators.problems import PROBLEMS
from livesale.identity.operators.service import Operators
from livesale.identity.operators.sessions import SessionBook
from livesale.tokens.keyring import Keyring
from livesale.web.sessions import OperatorSessions

feature = Feature(
    name="operators",
    routes=(*routes.ROUTES, *admin_routes.ROUTES),
    problems=PROBLEMS,
    parts={
        SessionBook: lambda parts: SessionBook(
            parts.deployment.sql, parts.deployment.settings.auth, parts[Keyring]
        ),
        OperatorSessions: lambda parts: parts[SessionBook],
        Operators: lambda parts: Operators(
            parts.deployment.sql, parts.deployment.settings.auth, parts[SessionBook]
        ),
        Passwords: lambda _: Passwords(),
        Codes: lambda parts: Codes(parts[Keyring]),
        OperatorLogin: lambda parts: OperatorLogin(
            parts.deployment.sql, parts[SessionBook], parts[Passwords], parts[Codes]
        ),
        Account: lambda parts: Account(
            parts.deployment.sql, parts[SessionBook], parts[Passwords], parts[Codes]
        ),
    },
    tables=(
        tables.operators,
        tables.operator_sessions,
        tables.operator_links,
        tables.operator_tries,
    ),
)
