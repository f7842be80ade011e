"""Why a login fails. Codes are stable: clients tell cases apart by them."""

from livesale.web.problems import declare

PROBLEMS = declare(
    invalid_code=(
        401,
        "The login code is invalid",
        "Get a new code from the provider. A code works once, for five minutes.",
    ),
    login_blocked=(
        403,
        "The login provider has blocked this user",
        "Stop: the provider blocks this user.",
    ),
    login_state=(
        401,
        "This browser did not begin this login, or too long ago",
        "Begin again: `GET /v1/wechat/login`. A login is good once, for ten minutes.",
    ),
    login_snapshot=(
        403,
        "WeChat shows a snapshot of the page",
        "Ask the person to open the whole page; in a snapshot there is nobody to log in.",
    ),
    provider_off=(403, "This login provider is not in use here", "Use another provider."),
    login_too_often=(429, "Too many logins of this user", "Wait for `Retry-After`.", 60),
    login_unavailable=(503, "The login provider is unavailable", "Repeat it.", 2),
)
