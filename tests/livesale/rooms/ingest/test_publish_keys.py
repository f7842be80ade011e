"""Publish keys: of one room, with a number and an end."""

import string

import pytest

from livesale.line.signing import TicketSigner
from livesale.rooms.ingest.publish_keys import PublishKey, PublishKeys
from livesale.telemetry.logs import REDACTED, Redaction
from livesale.tokens.errors import PublishKeyInvalid
from livesale.tokens.keyring import Keyring
from livesale.tokens.signing import TokenSigner
from stock.model import Ticket

SECRET = b"a secret of the tests"
KEY = PublishKey(3, 1_790_000_060_000)


def test_what_was_signed_is_read() -> None:
    keys = PublishKeys(Keyring("k1", SECRET))
    text = keys.sign("r1", KEY)
    assert keys.read("r1", text) == KEY
    assert set(text) <= set(string.ascii_letters + string.digits + "._-")  # fit for any address


def test_every_altered_character_is_noticed() -> None:
    keys = PublishKeys(Keyring("k1", SECRET))
    text = keys.sign("r1", KEY)
    for place in range(len(text)):
        for other in "A0.":
            if text[place] != other:
                with pytest.raises(PublishKeyInvalid):
                    keys.read("r1", text[:place] + other + text[place + 1 :])
    for altered in ("", text[:-1], text + "A", f" {text}", f"{text}\n", text.upper()):
        with pytest.raises(PublishKeyInvalid):
            keys.read("r1", altered)
    with pytest.raises(PublishKeyInvalid):
        keys.read("r2", text)


def test_two_keys_at_once() -> None:
    old = PublishKeys(Keyring("k1", SECRET))
    new = PublishKeys(Keyring("k2", b"another secret", {"k1": SECRET}))
    for keys in (old, new):
        assert new.read("r1", keys.sign("r1", KEY)) == KEY
    with pytest.raises(PublishKeyInvalid):
        PublishKeys(Keyring("k2", b"another secret")).read("r1", old.sign("r1", KEY))


def test_nothing_else_that_we_sign_is_a_publish_key() -> None:
    ring = Keyring("k1", SECRET)
    ticket = TicketSigner(ring).sign(Ticket(1, 2), drop_id="r1", buyer_id="r1", epoch=1)
    for text in (ticket, TokenSigner("k1", SECRET).buyer("r1")):
        for name in ("lsp1", text.partition(".")[0]):
            with pytest.raises(PublishKeyInvalid):
                PublishKeys(ring).read("r1", f"{name}.{text.partition('.')[2]}")


def test_no_log_shows_one() -> None:
    text = PublishKeys(Keyring("k1", SECRET)).sign("r1", KEY)
    shown = Redaction().text(f"rtmp://push.example/live/r1?key={text}")
    assert shown == f"rtmp://push.example/live/r1?key={REDACTED}"
