"""Faults of identity.

IdentityFault             `code` is stable: clients and tests may rely on it
├── TokenFault
│   ├── TokenInvalid      malformed, unknown key, or not signed by us
│   └── TokenExpired
├── SessionEnded          the session of an operator is over, was ended, or never was
├── TicketInvalid         not a purchase ticket of ours for this buyer and drop
├── PublishKeyInvalid     not a publish key of ours for this room, or it has ended
├── ChallengeFailed       the solution of no challenge of ours
└── LoginFault
    ├── LoginRefused      of an operator: a wrong or used link, name, password or code
    ├── ProviderOff       this provider is off here
    ├── CodeRefused       the login code is wrong, used, or too old
    ├── LoginStateInvalid the login was not begun by this browser, or too long ago
    ├── LoginSnapshot     WeChat shows a snapshot of the page, with a virtual user
    ├── LoginBlocked      the provider blocks this user as a risk
    ├── LoginTooOften     too many logins of this user, says the provider
    └── LoginUnavailable  the provider does not answer, or not as documented
"""

from typing import ClassVar

from livesale.errors import LivesaleError


class IdentityFault(LivesaleError):
    """Base. The text never carries a token, a login code or an openid."""

    code: ClassVar[str]


class TokenFault(IdentityFault):
    """The token does not identify its bearer."""


class TokenInvalid(TokenFault):
    code = "invalid_token"


class TokenExpired(TokenFault):
    code = "expired_token"


class SessionEnded(IdentityFault):
    code = "session_ended"


class TicketInvalid(IdentityFault):
    code = "ticket_invalid"


class PublishKeyInvalid(IdentityFault):
    code = "publish_key_invalid"


class ChallengeFailed(IdentityFault):
    code = "challenge_required"


class LoginFault(IdentityFault):
    """The login failed."""


class LoginRefused(LoginFault):
    code = "login_refused"


class ProviderOff(LoginFault):
    code = "provider_off"


class CodeRefused(LoginFault):
    code = "invalid_code"


class LoginStateInvalid(LoginFault):
    code = "login_state"


class LoginSnapshot(LoginFault):
    code = "login_snapshot"


class LoginBlocked(LoginFault):
    code = "login_blocked"


class LoginTooOften(LoginFault):
    code = "login_too_often"


class LoginUnavailable(LoginFault):
    code = "login_unavailable"
