"""Loads the settings of a process, and checks them first."""

import os
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_settings import SettingsError

from livesale.settings.checks import (
    check_names,
    check_promises,
    explain_bad_json,
    explain_bad_value,
)
from livesale.settings.model import Settings


def load_settings(**flags: Any) -> Settings:
    """The settings of this process. Flags are `redis__url="…"` or `redis={"url": "…"}`; None
    means that a flag is not set.

    Raises Refused, with the environment name of the setting, for a malformed value, an unknown
    name, or a combination that would break a promise.
    """
    check_names(Settings, os.environ)
    try:
        settings = Settings(**_nest(flags))
    except ValidationError as error:
        raise explain_bad_value(error) from None
    except SettingsError as error:
        raise explain_bad_json(error) from None
    check_promises(settings)
    return settings


def _nest(flags: Mapping[str, Any]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for name, value in flags.items():
        if value is None:
            continue
        section, _, part = name.partition("__")
        if part:
            nested.setdefault(section, {})[part] = value
        elif isinstance(value, Mapping):
            nested.setdefault(section, {}).update(value)
        else:
            nested[section] = value
    return nested
