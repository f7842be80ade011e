"""Which callers may use the hooks for media servers.

Media servers cannot sign their requests. So a hook needs the secret in its path, and must come from
an address in the settings. Both are checked before the body is read.
"""

import hmac
from ipaddress import ip_address, ip_network

import structlog

from livesale.rooms.ingest.metrics import INGEST_HOOKS
from livesale.settings import IngestSettings
from livesale.web.problems import Problem

log = structlog.get_logger(__name__)


class HookGuard:
    """Accepts only hooks of our media servers."""

    def __init__(self, settings: IngestSettings) -> None:
        known = (settings.hook_secret, settings.old_hook_secret)
        self._secrets = [text for secret in known if (text := secret.get_secret_value())]
        self._networks = [ip_network(text, strict=False) for text in settings.hook_addresses]

    def check(self, secret: str, source: str) -> None:
        """Raises Problem("hook_refused"), without saying which check failed."""
        # Compare all secrets, so that the time reveals nothing.
        is_secret = sum(hmac.compare_digest(secret, known) for known in self._secrets)
        address = ip_address(source)
        if not is_secret or not any(address in network for network in self._networks):
            log.warning("refused a hook", source=source, right_secret=bool(is_secret))
            INGEST_HOOKS.labels("unknown", "hook_refused").inc()
            raise Problem("hook_refused")
