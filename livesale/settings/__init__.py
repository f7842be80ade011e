"""Settings, the same for all processes: default.toml < <env>.toml < environment < flags."""

from livesale.settings.load import load_settings
from livesale.settings.model import (
    HOOK_PATTERN,
    PREFIX,
    HttpSettings,
    IngestSettings,
    LiveSettings,
    MediaSettings,
    ReminderSettings,
    Section,
    Settings,
    WeChatPaySettings,
    as_environment,
    config_folder,
)

__all__ = [
    "HOOK_PATTERN",
    "PREFIX",
    "HttpSettings",
    "IngestSettings",
    "LiveSettings",
    "MediaSettings",
    "ReminderSettings",
    "Section",
    "Settings",
    "WeChatPaySettings",
    "as_environment",
    "config_folder",
    "load_settings",
]
