"""Checks settings against each other and against the promises; each fault is one sentence."""

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic_settings import SettingsError

from livesale.errors import Refused
from livesale.settings.model import ENVS, HOOK_PATTERN, PREFIX, Settings, read_config
from livesale.settings.wechat_keys import load_keys

SHORTEST_SECRET_BYTES = 32
FEWEST_CHARACTERS = (
    8  # distinct characters in a secret; 64 random hexadecimal digits nearly always have all 16
)
is_hook_secret = re.compile(HOOK_PATTERN).fullmatch
is_key_id = re.compile(r"[A-Za-z0-9]{1,16}").fullmatch
NEW_SECRET = "Make one with: python3 -c 'import secrets; print(secrets.token_hex(32))'"  # noqa: S105


def check_names(model: type[BaseModel], environment: Mapping[str, str]) -> None:
    """Refuse an unknown name under LIVESALE__, and a setting's name with wrong underscores, so that
    no typo is ignored."""
    known = dict(_names_of(model, PREFIX))
    meant = {_single(name): name for name in known}
    for name in sorted(environment):
        upper = name.upper()
        # tcp://…: Kubernetes sets this for a service with the name of one of our sections.
        if not upper.startswith(PREFIX) and not environment[name].startswith("tcp://"):
            if _single(upper) in meant:
                cure = f"Did you mean {meant[_single(upper)]}?"
                raise Refused(name, "there is no such setting", cure)
            if upper.startswith(_single(PREFIX)) and "__" in upper:
                raise Refused(name, "there is no such setting", _nearest(upper, list(known)))
        if not upper.startswith(PREFIX) or upper in known:
            continue
        if any(is_table and upper.startswith(f"{table}__") for table, is_table in known.items()):
            continue
        raise Refused(name, "there is no such setting", _nearest(upper, list(known)))


def explain_bad_value(error: ValidationError) -> Refused:
    """A refusal that names the first wrong value, and lists the others."""
    first, *others = error.errors(include_url=False)
    setting = _environment_name(first["loc"])
    rest = [_environment_name(other["loc"]) for other in others]
    also = f" Also wrong: {', '.join(rest)}." if rest else ""
    if first["type"] == "missing":
        return Refused(setting, "it is not set", f"Set it.{also}")
    if first["type"] == "extra_forbidden":
        known = [name for name, _ in _names_of(Settings, PREFIX)]
        return Refused(setting, "there is no such setting", _nearest(setting, known) + also)
    text = first["msg"][0].lower() + first["msg"][1:]
    given = first["input"]
    shown = "" if _is_secret(first["loc"]) or not _is_plain(given) else f", not {given!r}"
    if setting == f"{PREFIX}ENV":
        return Refused(setting, f"there is no environment {given!r}", f"Use {' or '.join(ENVS)}.")
    if setting.endswith("__URL"):
        why = f": {text.removeprefix('value error, ')}" if first["type"] == "value_error" else ""
        problem = f"cannot use {hide_password(str(given))!r}{hide_password(why)}"
        return Refused(setting, problem, _URL_CURE.get(setting, "Correct it.") + also)
    return Refused(setting, f"{text}{shown}", f"Correct it.{also}")


def explain_bad_json(error: SettingsError) -> Refused:
    """Lists and tables are JSON in the environment."""
    field = str(error).partition('"')[2].partition('"')[0]
    return Refused(
        f"{PREFIX}{field}".upper(),
        "a list or a table in the environment must be JSON",
        'Write it like ["10.0.0.0/8"] or {"k0": "…"}.',
    )


def check_promises(settings: Settings) -> None:
    """Refuse invalid keys, and outside dev everything that would break a promise.

    Raises Refused.
    """
    auth = settings.auth
    secrets = {f"{PREFIX}AUTH__SECRET": auth.secret}
    for key_id, secret in auth.old_keys.items():
        name = f"{PREFIX}AUTH__OLD_KEYS__{key_id}"
        if not is_key_id(key_id):
            cure = "Use 1 to 16 of A-Z a-z 0-9, as in the tokens."
            raise Refused(name, f"{key_id!r} is not a key id", cure)
        secrets[name] = secret
    for name, secret in secrets.items():
        if not secret.get_secret_value().strip():
            raise Refused(name, "it is empty: anybody could sign tokens", NEW_SECRET)
    if auth.key_id in auth.old_keys:
        raise Refused(
            f"{PREFIX}AUTH__KEY_ID",
            f"{auth.key_id!r} is also among the old keys",
            "Give the new secret a new key id.",
        )
    redis = settings.redis
    if redis.durability == "replicated" and redis.wait_ms >= redis.timeout_ms:
        raise Refused(
            f"{PREFIX}REDIS__WAIT_MS",
            f"{redis.wait_ms} ms is not below the {redis.timeout_ms} ms that a reply may take",
            f"Set it lower, or {PREFIX}REDIS__TIMEOUT_MS higher.",
        )
    hooks = {
        f"{PREFIX}INGEST__{name.upper()}": secret
        for name in ("hook_secret", "old_hook_secret")
        if (secret := getattr(settings.ingest, name)).get_secret_value()
    }
    for name, secret in hooks.items():
        if not is_hook_secret(secret.get_secret_value()):
            problem = "it is part of a path: use 16 to 128 of A-Z a-z 0-9 _ -"
            raise Refused(name, problem, NEW_SECRET)
    if settings.payments.gateway == "wechat":
        load_keys(settings)
    _check_reminders(settings)
    _check_official_account(settings)
    _check_media(settings)
    _check_webhook(settings)
    address_keys = _address_keys(settings)
    if settings.env == "dev":
        return
    where = f"where {PREFIX}ENV is {settings.env}"
    for name, secret in hooks.items():
        _check_secret(name, secret, where)
    for name, secret in address_keys.items():
        _check_secret(name, secret, where)
    for name, secret in secrets.items():
        _check_secret(name, secret, where)
        if name != f"{PREFIX}AUTH__SECRET" and secret == auth.secret:
            cure = "Remove it, or make a new secret for the new key."
            raise Refused(name, "it equals the present secret, so nothing was rotated", cure)
    if auth.dev_login:
        raise Refused(
            f"{PREFIX}AUTH__DEV_LOGIN",
            f"it lets anybody log in as any buyer, which is refused {where}",
            "Set it to false.",
        )
    if settings.redis.durability == "none":
        raise Refused(
            f"{PREFIX}REDIS__DURABILITY",
            f"'none' loses acknowledged reservations in a crash, which is refused {where}",
            "Set it to fsync or replicated.",
        )
    if settings.payments.gateway == "simulated" and not settings.payments.allow_simulated:
        raise Refused(
            f"{PREFIX}PAYMENTS__GATEWAY",
            f"the simulated gateway lets anybody pay without money, which is refused {where}",
            f"Set it to wechat; or {PREFIX}PAYMENTS__ALLOW_SIMULATED to true, for a rehearsal.",
        )


def _address_keys(settings: Settings) -> dict[str, SecretStr]:
    """The keys of addresses by the names of their settings; none if addresses are off."""
    orders = settings.orders
    name = f"{PREFIX}ORDERS__ADDRESS_KEY"
    if not orders.address_key.get_secret_value():
        if orders.old_address_keys:
            problem = "it is not set, but there are old keys: new addresses could not be sealed"
            raise Refused(name, problem, NEW_SECRET)
        return {}
    if orders.address_key_id in orders.old_address_keys:
        raise Refused(
            f"{name}_ID",
            f"{orders.address_key_id!r} is also among the old keys",
            "Give the new key a new id.",
        )
    found = {name: orders.address_key}
    for key_id, secret in orders.old_address_keys.items():
        old = f"{PREFIX}ORDERS__OLD_ADDRESS_KEYS__{key_id}"
        if not is_key_id(key_id):
            raise Refused(old, f"{key_id!r} is not a key id", "Use 1 to 16 of A-Z a-z 0-9.")
        if not secret.get_secret_value().strip():
            raise Refused(old, "it is empty", "Remove it, or set the key.")
        found[old] = secret
    return found


def _check_media(settings: Settings) -> None:
    """Check that a store of pictures has its keys."""
    media = settings.media
    keys = {"S3_KEY_ID": media.s3_key_id, "S3_SECRET": media.s3_secret.get_secret_value()}
    for name, value in keys.items() if media.s3_url else ():
        if not value:
            raise Refused(
                f"{PREFIX}MEDIA__{name}",
                "it is not set, but pictures are kept in an S3-compatible store",
                f"Set it, or empty {PREFIX}MEDIA__S3_URL.",
            )


def _check_official_account(settings: Settings) -> None:
    """Check that the login of pages has all that it needs, and an app of its own."""
    account = settings.official_account
    name = f"{PREFIX}OFFICIAL_ACCOUNT__"
    if not account.appid:
        return
    if account.appid == settings.wechat.appid:
        raise Refused(
            f"{name}APPID",
            f"it is that of the mini-program, {PREFIX}WECHAT__APPID, but each app has its own",
            "Set it to the official account's.",
        )
    if not account.secret.get_secret_value():
        raise Refused(f"{name}SECRET", "it is not set", f"Set it, or empty {name}APPID.")
    if not account.origin:
        cure = "Set it to the origin of the pages and of this API, such as https://shop.example."
        raise Refused(f"{name}ORIGIN", "it is not set", cure)
    if settings.env != "dev" and not account.origin.startswith("https://"):
        cure = "Use https."
        raise Refused(f"{name}ORIGIN", "a login code over http can be read on its way", cure)


def _check_webhook(settings: Settings) -> None:
    """Check that calls of the webhook can be told from forgeries."""
    if settings.alerts.webhook_url and not settings.alerts.webhook_secret.get_secret_value():
        raise Refused(
            f"{PREFIX}ALERTS__WEBHOOK_SECRET",
            "it is not set, so the receiver could not tell our calls from forgeries",
            NEW_SECRET,
        )


def _check_reminders(settings: Settings) -> None:
    """Check that each enabled kind of reminder has everything for a message."""
    on = False
    for kind in ("room", "drop"):
        if not getattr(settings.reminders, f"{kind}_template_id"):
            continue
        on = True
        if not getattr(settings.reminders, f"{kind}_texts"):
            raise Refused(
                f"{PREFIX}REMINDERS__{kind.upper()}_TEXTS",
                "the texts of the template's fields are missing",
                'Name them all, such as {"thing1": "{title}", "time2": "{time}"}.',
            )
    for name in ("appid", "secret"):
        value = getattr(settings.wechat, name)
        if on and not (value if isinstance(value, str) else value.get_secret_value()):
            raise Refused(
                f"{PREFIX}WECHAT__{name.upper()}",
                "it is not set, but reminders need it",
                f"Set it, or empty {PREFIX}REMINDERS__ROOM_TEMPLATE_ID and "
                f"{PREFIX}REMINDERS__DROP_TEMPLATE_ID.",
            )


_REDIS_FORMS = (
    "redis://host:port/db, rediss://…, unix:///path, sentinel://host:port,host:port/primary or "
    "cluster://host:port,host:port; sentinels://… and clusters://… with TLS."
)
_URL_CURE = {
    f"{PREFIX}REDIS__URL": f"Use embedded, {_REDIS_FORMS}",
    f"{PREFIX}REDIS__LOADER_URL": f"Use {_REDIS_FORMS}",
    f"{PREFIX}SQL__URL": "Use embedded, mysql://user:password@host/database or sqlite:///path.",
    f"{PREFIX}WECHAT__BASE_URL": "Use https://…",
}


_SECRETS = {
    "secret",
    "s3_secret",
    "webhook_secret",
    "old_keys",
    "api_v3_key",
    "old_api_v3_key",
    "hook_secret",
    "old_hook_secret",
    "proxy",
}


def _check_secret(name: str, secret: SecretStr, where: str) -> None:
    text = secret.get_secret_value()
    if read_config("dev")["auth"]["secret"] in text:
        raise Refused(name, f"the secret of dev is public, and refused {where}", NEW_SECRET)
    size = len(text.encode())
    if size < SHORTEST_SECRET_BYTES:
        problem = f"at least {SHORTEST_SECRET_BYTES} bytes are needed {where}, not {size}"
        raise Refused(name, problem, NEW_SECRET)
    if len(set(text)) < FEWEST_CHARACTERS:
        problem = f"it repeats {len(set(text))} characters, which is refused {where}"
        raise Refused(name, problem, NEW_SECRET)


def is_weak_secret(secret: SecretStr) -> bool:
    """Whether prod would refuse it: public, short, or with few distinct characters."""
    try:
        _check_secret("", secret, "")
    except Refused:
        return True
    return False


def _single(name: str) -> str:
    return re.sub("_+", "_", name)


def _names_of(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, bool]]:
    """Environment names of all settings, and whether each is a table with its own names."""
    for name, field in model.model_fields.items():
        full = f"{prefix}{name.upper()}"
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _names_of(kind, f"{full}__")
        else:
            yield full, getattr(kind, "__origin__", None) is dict


def _nearest(name: str, known: list[str]) -> str:
    near = get_close_matches(name, known, n=1, cutoff=0.6)
    return f"Did you mean {near[0]}?" if near else "Remove it; config/default.toml lists them all."


def _environment_name(loc: tuple[int | str, ...]) -> str:
    return (PREFIX + "__".join(str(part) for part in loc)).upper()


def _is_secret(loc: tuple[int | str, ...]) -> bool:
    return bool(_SECRETS.intersection(loc))


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | int | float | bool)


# For a URL parser, a `/`, `?` or `#` in a password ends the host. So we hide everything between the
# colon and the `@`, unless it is a port and a path.
_PORT = r"\d+(?:[?#,\s]|/[^@\s]*(?:[?#\s]|$)|$)"
_PASSWORD = re.compile(rf"(://[^/\s:@]*:)(?:[^/?#\s]*@|(?!{_PORT})\S*@)")
_PASSWORD_OPTION = re.compile(r"([?&]pa?s+\w*=)[^&\s'\"]+", re.IGNORECASE)


def hide_password(url: str) -> str:
    """A URL, or a text with one, without its password."""
    return _PASSWORD_OPTION.sub(r"\1…", _PASSWORD.sub(r"\1…@", url))
