"""/v1/admin/pickup-stores for operators, /v1/admin/pickups/… for the clerks of a store."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from livesale.access.actions import Action
from livesale.database.engine import now_ms
from livesale.parts import Parts
from livesale.pickup.codes import ROUNDS, salt_of
from livesale.pickup.handing import Handed, Handing, Use, Verdict
from livesale.pickup.places import Opening
from livesale.pickup.routes import Lat, Lng, ShownStore, show_store
from livesale.pickup.service import NewStore, PickupStores
from livesale.pickup.store import OpenPickup
from livesale.tokens.signing import Operator
from livesale.validation.lists import Words
from livesale.validation.refusals import OrderRefused, TooOften
from livesale.validation.texts import prose, whole
from livesale.web.routes import Answer, Call, Route
from stock.ids import new_id

CodeText = Annotated[
    str, whole(r"^[A-Za-z0-9: -]{1,60}$", description="as it was typed, or the QR's text")
]
UseId = Annotated[str, whole(r"^[A-Za-z0-9_-]{8,64}$", description="the phone's own, random")]


class StoreForm(Struct, frozen=True, forbid_unknown_fields=True):
    """A store. No `hours`: it is never open. `closed` stores take no more orders, and still hand
    out those that they have."""

    title: Annotated[str, prose(examples=["Nanshan"])]
    address: Annotated[str, prose()]
    lat: Lat
    lng: Lng
    phone: Annotated[str, whole(r"^[0-9+ -]{0,20}$")] = ""
    state: Literal["open", "closed"] = "open"
    utc_offset_min: Annotated[int, Meta(ge=-720, le=840)] = 480
    hours: Annotated[list[Opening], Meta(max_length=21)] = []


class StoresQuery(Struct, frozen=True):
    q: Words = ""
    state: Literal["open", "closed", ""] = ""
    after: Annotated[str, whole(r"^[0-9a-z]{0,15}$", description="`next` of a page")] = ""
    limit: Annotated[int, Meta(ge=1, le=100)] = 50


class StorePage(Struct, frozen=True):
    """Send `next` as `after` to get the next page; null at the end."""

    stores: list[ShownStore]
    next: str | None


class OpenQuery(Struct, frozen=True):
    after: Annotated[
        str,
        whole(r"^([0-9a-z]{1,15}-[A-Za-z0-9_-]{16})?$", description="`next` of a page"),
    ] = ""
    limit: Annotated[int, Meta(ge=1, le=1000)] = 500


class OpenPickups(Struct, frozen=True):
    """What waits in the clerk's store, for a phone without network.

    `code_hash` is PBKDF2 with HMAC-SHA256 of the code, in hex, with this salt and these rounds.
    `version` changes with the page. Send `next` as `after` to get the next page; null at the end.
    """

    store_id: str
    version: str
    taken_ms: int
    salt: str
    rounds: int
    pickups: list[OpenPickup]
    next: str | None


class HandOut(Struct, frozen=True, forbid_unknown_fields=True):
    code: CodeText


class HandedOut(Struct, frozen=True):
    order_id: str
    quantity: int
    used_ms: int


class OfflineUse(Struct, frozen=True, forbid_unknown_fields=True):
    """`at_ms`: when the phone handed it out."""

    use_id: UseId
    code: CodeText
    at_ms: Annotated[int, Meta(ge=0, le=9_007_199_254_740_991)]


class Sync(Struct, frozen=True, forbid_unknown_fields=True):
    uses: Annotated[list[OfflineUse], Meta(min_length=1, max_length=100)]


class SyncedUse(Struct, frozen=True):
    """`used` and `replayed` are well; anything else is a conflict, and says why. `used_by` is who
    handed it out before, for `pickup_used`."""

    use_id: str
    verdict: Verdict
    order_id: str | None
    used_ms: int | None
    used_by: str | None


class Synced(Struct, frozen=True):
    """A row for each use, in the order of the request."""

    uses: list[SyncedUse]


async def list_stores(parts: Parts, call: Call) -> Answer:
    query = call.query
    found = await parts[PickupStores].list(query.after, query.limit, query.state, query.q)
    is_full = len(found) == call.query.limit
    shown = [show_store(row) for row in found]
    return Answer(200, StorePage(shown, found[-1].store_id if is_full else None))


async def put_store(parts: Parts, call: Call) -> Answer:
    form = call.body
    new = NewStore(**{name: getattr(form, name) for name in NewStore.__struct_fields__})
    row, is_new = await parts[PickupStores].put(call.path["store_id"], new)
    return Answer(201 if is_new else 200, show_store(row))


async def list_open(parts: Parts, call: Call) -> Answer:
    store_id = _store_of(call)
    found = await parts[Handing].snapshot(store_id, call.query.after, call.query.limit)
    is_full = len(found.pickups) == call.query.limit
    return Answer(
        200,
        OpenPickups(
            store_id,
            found.version,
            found.taken_ms,
            salt_of(store_id),
            ROUNDS,
            found.pickups,
            found.pickups[-1].order_id if is_full else None,
        ),
    )


async def hand_out(parts: Parts, call: Call) -> Answer:
    use = Use(call.key or new_id(), call.body.code, now_ms())
    done = await parts[Handing].use(_store_of(call), use, call.name)
    if done.verdict is Verdict.SLOW_DOWN:
        raise TooOften("clerk", done.wait_ms)
    if done.verdict not in (Verdict.USED, Verdict.REPLAYED):
        raise OrderRefused(done.verdict.value, _why(done))
    return Answer(200, HandedOut(done.order_id or "", done.quantity, done.used_ms))


async def sync_uses(parts: Parts, call: Call) -> Answer:
    store_id, found = _store_of(call), []
    for use in call.body.uses:
        done = await parts[Handing].use(store_id, Use(use.use_id, use.code, use.at_ms), call.name)
        found.append(
            SyncedUse(
                use.use_id,
                done.verdict,
                done.order_id,
                done.used_ms or None,
                done.used_by or None,
            )
        )
    return Answer(200, Synced(found))


def _store_of(call: Call) -> str:
    """The store of the clerk who asks: no other one. Raises OrderRefused("not_a_clerk")."""
    caller = call.caller
    if not isinstance(caller, Operator) or caller.store_id is None:
        raise OrderRefused("not_a_clerk", "You are not the clerk of a store.")
    return caller.store_id


def _why(done: Handed) -> str:
    if done.verdict is Verdict.PICKUP_USED:
        return f"{done.used_by} handed it out."
    return ""


_CLERK = ("not_a_clerk", "store_unavailable")

ROUTES = [
    Route(
        "GET",
        "/v1/admin/pickup-stores",
        list_stores,
        "All pickup stores",
        "admin",
        {200: StorePage},
        ("store_unavailable",),
        auth="operator",
        action=Action.PICKUP_READ,
        query=StoresQuery,
    ),
    Route(
        "PUT",
        "/v1/admin/pickup-stores/{store_id}",
        put_store,
        "Create or replace a pickup store",
        "admin",
        {201: ShownStore, 200: ShownStore},
        ("unknown_store", "invalid_field", "store_unavailable"),
        auth="operator",
        action=Action.PICKUP_CHANGE,
        body=StoreForm,
        changes=True,
        description="May be repeated. Places are GCJ-02.",
    ),
    Route(
        "GET",
        "/v1/admin/pickups",
        list_open,
        "What waits in your store",
        "admin",
        {200: OpenPickups},
        _CLERK,
        auth="operator",
        action=Action.PICKUP_HAND_OUT,
        query=OpenQuery,
        description="With hashes of the codes: a phone can check them without a network.",
    ),
    Route(
        "POST",
        "/v1/admin/pickups/use",
        hand_out,
        "Hand an order out",
        "admin",
        {200: HandedOut},
        (*_CLERK, "wrong_code", "pickup_used", "not_sold", "order_over", "slow_down"),
        auth="operator",
        action=Action.PICKUP_HAND_OUT,
        body=HandOut,
        keyed=True,
        changes=True,
        hides=("code",),
        description="Once for each code. With an `Idempotency-Key`, a retry gets the same answer.",
    ),
    Route(
        "POST",
        "/v1/admin/pickups/sync",
        sync_uses,
        "Report what was handed out without network",
        "admin",
        {200: Synced},
        _CLERK,
        auth="operator",
        action=Action.PICKUP_HAND_OUT,
        body=Sync,
        changes=True,
        hides=("uses",),
        description="Each row has its own verdict. May be repeated, with the same `use_id`s.",
    ),
]
