"""Faults of identity: who somebody is could not be told.

IdentityFault             `code` is stable: clients and tests may rely on it
├── TokenFault
│   ├── TokenInvalid      malformed, of a key we do not have, or not signed by us
│   └── TokenExpired
├── TicketInvalid         a purchase ticket that we did not give to this buyer for this drop
├── PublishKeyInvalid     a publish key that we did not give for this room, or that has ended
├── ChallengeFailed       a solution that solves no challenge of ours
└── LoginFault
    ├── ProviderOff       this provider is not switched on here
    ├── CodeRefused       the login code is wrong, used, or too old
    ├── LoginBlocked      the provider holds this user back for risk
    ├── LoginTooOften     the provider counts too many logins of this user
    └── LoginUnavailable  the provider does not answer, or not as documented
"""

from typing import ClassVar

from livesale.errors import LivesaleError


class IdentityFault(LivesaleError):
    """Base. The text never carries a token, a login code or an openid."""

    code: ClassVar[str]


class TokenFault(IdentityFault):
    """A token does not say who its bearer is."""


class TokenInvalid(TokenFault):
    code = "invalid_token"


class TokenExpired(TokenFault):
    code = "expired_token"


class TicketInvalid(IdentityFault):
    code = "ticket_invalid"


class PublishKeyInvalid(IdentityFault):
    code = "publish_key_invalid"


class ChallengeFailed(IdentityFault):
    code = "challenge_required"


class LoginFault(IdentityFault):
    """A login did not succeed."""


class ProviderOff(LoginFault):
    code = "provider_off"


class CodeRefused(LoginFault):
    code = "invalid_code"


class LoginBlocked(LoginFault):
    code = "login_blocked"


class LoginTooOften(LoginFault):
    code = "login_too_often"


class LoginUnavailable(LoginFault):
    code = "login_unavailable"
