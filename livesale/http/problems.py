"""Errors as RFC 9457 `application/problem+json`. The one table from codes to status lives here."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Literal

import msgspec
from msgspec import Struct

from livesale.errors import LivesaleError
from livesale.identity.errors import IdentityFault
from livesale.payments.errors import (
    AmountMismatch,
    CallbackRefused,
    GatewayFault,
    GatewayRefused,
    PaymentFault,
)
from livesale.sales.errors import ChallengeRequired, SalesFault, TooOften
from livesale.store.errors import StoreUnavailable
from livesale.turns import Crowded
from stock.errors import (
    BooksBroken,
    FencedOff,
    LogTooNew,
    NotSent,
    OutcomeUnknown,
    ScriptRefused,
    StockError,
)

CONTENT_TYPE = "application/problem+json"

# code → status, title. Codes are for ever: clients tell cases apart by them.
PROBLEMS: dict[str, tuple[int, str]] = {
    "malformed_request": (400, "This is not HTTP as it should be"),
    "malformed_json": (400, "The body is not JSON"),
    "malformed_hook": (400, "This is not what media servers say"),
    "malformed_body": (400, "The body could not be read"),
    "invalid_parameter": (400, "A parameter or header is not valid"),
    "unknown_parameter": (400, "There is no such query parameter"),
    "unauthenticated": (401, "A bearer token is needed"),
    "invalid_token": (401, "The token is not valid"),
    "expired_token": (401, "The token has expired"),
    "invalid_code": (401, "The login code is not valid"),
    "forbidden": (403, "This token may not do this"),
    "over_limit": (403, "One buyer cannot have more of this drop"),
    "barred": (403, "Too many of this buyer's holds of this drop expired unpaid"),
    "ticket_required": (403, "This drop sells by purchase tickets"),
    "ticket_invalid": (403, "This purchase ticket is not valid, or no longer"),
    "challenge_required": (403, "A challenge must be solved first"),
    "not_yours": (403, "This is for those who run the room"),
    "publish_key_invalid": (403, "This publish key is not valid, or no longer"),
    "hook_refused": (403, "This is no hook of a media server of ours"),
    "muted": (403, "You may not speak in this room now"),
    "banned": (403, "You may not be in this room now"),
    "own_bag": (403, "Who runs the room does not enter its lucky bags"),
    "prize_only": (403, "This drop is a prize, and not for sale"),
    "login_blocked": (403, "The login provider blocks this user"),
    "provider_off": (403, "This login provider is not available here"),
    "callback_refused": (403, "This is no callback of the payment gateway, or not for us"),
    "not_found": (404, "There is nothing here"),
    "unknown_drop": (404, "There is no such drop"),
    "unknown_campaign": (404, "There is no such campaign"),
    "unknown_reservation": (404, "There is no such reservation"),
    "unknown_order": (404, "There is no such order"),
    "unknown_room": (404, "There is no such room"),
    "unknown_item": (404, "There is no such item on the shelf"),
    "unknown_member": (404, "There is no such buyer"),
    "ingest_off": (404, "No media server is in use here"),
    "unknown_comment": (404, "There is no such comment"),
    "unknown_bag": (404, "There is no such lucky bag"),
    "no_prize": (404, "This entry has won no prize"),
    "reminders_off": (404, "Nobody is reminded of this here"),
    "gateway_off": (404, "This payment gateway is not the one in use here"),
    "method_not_allowed": (405, "This is not done with this method"),
    "request_timeout": (408, "The body took too long"),
    "sold_out": (409, "Sold out"),
    "paused": (409, "The sale is paused"),
    "already_sold": (409, "It is paid for"),
    "ticket_used": (409, "This purchase ticket, or a newer one, was used"),
    "no_tickets": (409, "The drop sells without tickets"),
    "hold_ended": (409, "The hold has ended"),
    "payer_unknown": (409, "The payment gateway would not know this buyer"),
    "payment_refused": (409, "The payment gateway refuses this order"),
    "amount_mismatch": (409, "This is not the amount of the reservation"),
    "transaction_used": (409, "This transaction paid for another order"),
    "not_paid": (409, "Nothing was paid that could go back"),
    "already_refunded": (409, "The money is going back already, or is back"),
    "partial_refund": (409, "Only the whole amount can go back"),
    "not_opened": (409, "The drop was never opened"),
    "already_open": (409, "The sale has opened already"),
    "drop_closed": (409, "The drop is closed for ever"),
    "terms_conflict": (409, "The drop is open with other terms"),
    "room_state": (409, "The state of the room does not allow this"),
    "other_room": (409, "The drop belongs to another room"),
    "stream_taken": (409, "Another stream of this room is there"),
    "stream_ended": (409, "This stream has ended, or another has taken its place"),
    "version_conflict": (409, "The room has changed meanwhile"),
    "shelf_full": (409, "The room has as many as it may have"),
    "item_hidden": (409, "Viewers do not see the item"),
    "too_many_members": (409, "The room has as many members as it may have"),
    "phrase_missing": (409, "The phrase of the lucky bag must be said first"),
    "bag_running": (409, "The room has a lucky bag already"),
    "bag_full": (409, "The lucky bag takes no more entries"),
    "nothing_to_pay": (409, "A prize is claimed, not paid for"),
    "not_reachable": (409, "WeChat would not know this buyer"),
    "too_many_reminders": (409, "As many reminders wait as may"),
    "too_few": (409, "Fewer units are available than to be scrapped"),
    "too_many": (409, "More units than a drop may have"),
    "closed": (410, "The sale is over"),
    "room_over": (410, "The room is over"),
    "bag_closed": (410, "The time of the lucky bag is over"),
    "prize_gone": (410, "The prize is gone"),
    "body_too_large": (413, "The body is too large"),
    "unsupported_media_type": (415, "The body must be plain application/json"),
    "expectation_failed": (417, "Only `Expect: 100-continue` is understood"),
    "missing_field": (422, "A field is missing"),
    "unknown_field": (422, "There is no such field"),
    "invalid_field": (422, "A field is not valid"),
    "comment_blocked": (422, "The comment has words that are not said here"),
    "idempotency_conflict": (422, "The idempotency key was used for another request"),
    "unknown_frame": (422, "There is no frame of this type"),
    "out_of_order": (422, "This frame does not come here"),
    "not_open": (425, "The sale has not opened yet"),
    "stay_longer": (425, "Stay in the room for longer first"),
    "not_drawn": (425, "The lucky bag is not drawn yet"),
    "upgrade_required": (426, "This is a WebSocket"),
    "slow_down": (429, "Too many requests"),
    "login_too_often": (429, "Too many logins of this user"),
    "headers_too_large": (431, "The headers are too large"),
    "internal_error": (500, "This is our fault"),
    "overloaded": (503, "Too busy, or the store is away; nothing was done"),
    "outcome_unknown": (503, "It may or may not be done; ask again with the same key"),
    "fenced": (503, "This part of the stock is closed until it is recovered"),
    "engine_refused": (503, "The store refused this; nothing was done"),
    "books_broken": (503, "The books of this drop do not balance; nothing was done"),
    "log_too_new": (503, "A later version has sold here: only that version can compare the books"),
    "store_unavailable": (503, "The database is away"),
    "login_unavailable": (503, "The login provider is away"),
    "payment_unavailable": (503, "The payment gateway is away"),
}

# Seconds after which a client may try again, where it can help.
RETRY_AFTER_S = {
    "stay_longer": 5,
    "not_drawn": 1,
    "slow_down": 1,
    "login_too_often": 60,
    "overloaded": 1,
    "outcome_unknown": 1,
    "fenced": 5,
    "engine_refused": 5,
    "books_broken": 5,
    "log_too_new": 5,
    "store_unavailable": 2,
    "login_unavailable": 2,
    "payment_unavailable": 2,
}

_FAULTS: tuple[tuple[type[Exception], str], ...] = (
    (NotSent, "overloaded"),
    (OutcomeUnknown, "outcome_unknown"),
    (FencedOff, "fenced"),
    (ScriptRefused, "engine_refused"),
    (BooksBroken, "books_broken"),
    (LogTooNew, "log_too_new"),
    (StoreUnavailable, "store_unavailable"),
    (GatewayRefused, "payment_refused"),
    (GatewayFault, "payment_unavailable"),
    (CallbackRefused, "callback_refused"),
    (AmountMismatch, "amount_mismatch"),
)


class ProblemDocument(Struct, frozen=True, omit_defaults=True, rename={"where": "in"}):
    """A problem. `code` is stable; `field` names the culprit, `in` says where it was;
    `by` is whose requests were too many."""

    type: str
    title: str
    status: int
    code: str
    detail: str | None = None
    field: str | None = None
    where: str | None = None
    opens_ms: int | None = None
    remaining: int | None = None
    available: int | None = None
    retry_after_s: int | None = None
    by: Literal["buyer", "address", "room"] | None = None
    until_ms: int | None = None
    challenge: dict[str, Any] | None = None


class Problem(LivesaleError):
    """A request that is answered by a problem. Members are those of ProblemDocument."""

    def __init__(
        self,
        code: str,
        detail: str | None = None,
        headers: dict[str, str] | None = None,
        **members: str | int,
    ) -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail
        self.members = members
        self.challenge: Mapping[str, Any] | None = None
        self.headers = headers or {}
        if code in RETRY_AFTER_S:
            members.setdefault("retry_after_s", RETRY_AFTER_S[code])
            self.headers["Retry-After"] = str(members["retry_after_s"])
        if PROBLEMS[code][0] == 401:
            error = "" if code == "unauthenticated" else f', error="{code}"'
            self.headers["WWW-Authenticate"] = f'Bearer realm="livesale"{error}'

    @property
    def status(self) -> int:
        return PROBLEMS[self.code][0]

    def encode(self) -> bytes:
        if self.challenge is not None:  # always another: not to be remembered
            document = _document(self.code, self.detail, tuple(self.members.items()))
            return msgspec.json.encode(document | {"challenge": self.challenge})
        return _encode(self.code, self.detail, tuple(self.members.items()))


def problem_of(fault: Exception) -> Problem | None:
    """The problem that a fault is to a client; None for one that nobody foresaw."""
    match fault:
        case Problem():
            return fault
        case TooOften():
            return Problem(fault.code, None, None, **fault.members)
        case Crowded():
            return Problem("slow_down", "Too many wait already.")
        case SalesFault():
            problem = Problem(fault.code, fault.detail)
            problem.members.update(fault.members)
            if "field" in fault.members:
                problem.members["where"] = "body"
            if isinstance(fault, ChallengeRequired):
                problem.challenge = fault.challenge
            return problem
        case IdentityFault():
            return Problem(fault.code)
        case StockError() | StoreUnavailable() | PaymentFault():
            for kind, code in _FAULTS:
                if isinstance(fault, kind):
                    return Problem(code)
    return None


@lru_cache(maxsize=1_024)
def _encode(code: str, detail: str | None, members: tuple[tuple[str, str | int], ...]) -> bytes:
    return msgspec.json.encode(_document(code, detail, members))


def _document(
    code: str, detail: str | None, members: tuple[tuple[str, str | int], ...]
) -> dict[str, Any]:
    status, title = PROBLEMS[code]
    fields = {"in" if name == "where" else name: value for name, value in members}
    document: dict[str, Any] = {
        "type": f"/docs#{code}",
        "title": title,
        "status": status,
        "code": code,
    }
    if detail:
        document["detail"] = detail
    return document | fields
