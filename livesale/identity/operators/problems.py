"""Why an operator is not let in, or may not be changed. Codes are stable."""

from livesale.web.problems import declare

PROBLEMS = declare(
    login_refused=(
        401,
        "The login is refused",
        "A wrong name, password or code, or one that was used. A link works once, for a short "
        "time: get a new one with `livesale operator login NAME`.",
    ),
    not_a_person=(403, "Only people have an account", "Log in, and send the session's cookie."),
    unknown_operator=(404, "There is no such operator", "Correct the name."),
    unknown_session=(404, "There is no such session of this operator", "Read the list again."),
    operator_exists=(
        409,
        "There is, or was, an operator of this name",
        "Choose another name, or `restore` the operator.",
    ),
    operator_revoked=(409, "The operator is revoked", "`restore` the operator first."),
    last_owner=(409, "It is the last owner", "Make somebody else an owner first."),
    no_new_factor=(409, "There is no new second factor", "Begin with a new secret."),
    login_locked=(
        429,
        "Too many failed logins of this name",
        "Wait for `Retry-After`, or log in by a link.",
        60,
    ),
)
