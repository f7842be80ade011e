"""After-sale cases: /v1/orders/{order_id}/cases, /v1/cases/…, /v1/admin/cases"""

from collections.abc import Mapping, Sequence
from typing import Annotated

from msgspec import Meta, Struct

from livesale.access.actions import Action
from livesale.catalogue.pictures.routes import KINDS
from livesale.catalogue.pictures.service import Pictures, PictureView
from livesale.orders.addresses.form import OPTIONAL
from livesale.orders.cases.evidence import Evidence
from livesale.orders.cases.service import Cases, NewCase
from livesale.orders.cases.states import CaseKind, CaseState, Fate
from livesale.orders.cases.store import Case
from livesale.orders.shipments.routes import Tracking
from livesale.parts import Parts
from livesale.validation.texts import prose, whole
from livesale.web.routes import (
    Answer,
    Call,
    Handler,
    Nothing,
    PathParameter,
    Route,
    declare_path_parameters,
)
from stock.model import MAX_PRICE_FEN, MAX_QUANTITY

CASE_ID_PATTERN = r"^c[0-9a-z]{13}$"
PICTURE_ID_PATTERN = r"^[0-9a-f]{32}$"
MAX_EVIDENCE = 6
MAX_EVIDENCE_BYTES = 5 << 20

Fen = Annotated[int, Meta(ge=0, le=MAX_PRICE_FEN * MAX_QUANTITY)]


class CaseForm(Struct, frozen=True, forbid_unknown_fields=True):
    """`amount_fen`: by default the price of the units. `evidence`: the ids of pictures that
    were uploaded to the order."""

    kind: CaseKind
    units: Annotated[int, Meta(ge=1, le=MAX_QUANTITY)]
    reason: Annotated[str, prose(examples=["broken"])]
    amount_fen: Fen | None = None
    evidence: Annotated[
        list[Annotated[str, whole(PICTURE_ID_PATTERN)]], Meta(max_length=MAX_EVIDENCE)
    ] = []


class Agreement(Struct, frozen=True, forbid_unknown_fields=True):
    """`amount_fen`: less than the buyer asks for."""

    answer: Annotated[str, whole(OPTIONAL, max_length=200)] = ""
    amount_fen: Fen | None = None


class Refusal(Struct, frozen=True, forbid_unknown_fields=True):
    answer: Annotated[str, prose(examples=["it was worn"])]


class Intake(Struct, frozen=True, forbid_unknown_fields=True):
    """`fate` of the units: stock (on sale again), burn, or keep (they stay sold in the books)."""

    fate: Fate
    note: Annotated[str, whole(OPTIONAL, max_length=200)] = ""


class ShownCase(Struct, frozen=True, gc=False):
    """A case. At `due_ms` the keeper decides. `fate` is that of units that came back."""

    case_id: str
    order_id: str
    kind: CaseKind
    state: CaseState
    units: int
    amount_fen: int
    reason: str
    evidence: list[PictureView]
    answer: str
    carrier: str
    number: str
    fate: Fate | None
    refund_no: str | None
    due_ms: int | None
    created_ms: int
    updated_ms: int


class CasesQuery(Struct, frozen=True):
    state: Annotated[
        str,
        whole(
            r"^(asked|agreed|refused|returned|refunded|withdrawn)?$",
            description="asked, agreed, refused, returned, refunded or withdrawn; all by default",
        ),
    ] = ""
    after: Annotated[
        str, whole(r"^([0-9]{1,13}\.c[0-9a-z]{13})?$", description="`next` of a page")
    ] = ""
    limit: Annotated[int, Meta(ge=1, le=100)] = 50


class CasePage(Struct, frozen=True):
    """Send `next` as `after` to get the next page; null at the end."""

    cases: list[ShownCase]
    next: str | None


async def ask_case(parts: Parts, call: Call) -> Answer:
    form = call.body
    new = NewCase(form.kind, form.units, form.reason, form.amount_fen, form.evidence)
    return await _shown(
        parts, await parts[Cases].ask(call.path["order_id"], call.buyer_id, new), 201
    )


async def upload_evidence(parts: Parts, call: Call) -> Answer:
    order_id = call.path["order_id"]
    return Answer(200, await parts[Evidence].upload(order_id, call.buyer_id, call.raw))


async def show_own_case(parts: Parts, call: Call) -> Answer:
    return await _shown(parts, await parts[Cases].find(call.path["case_id"], call.buyer_id))


async def withdraw_case(parts: Parts, call: Call) -> Answer:
    return await _shown(parts, await parts[Cases].withdraw(call.path["case_id"], call.buyer_id))


async def send_case_back(parts: Parts, call: Call) -> Answer:
    case = await parts[Cases].send_back(
        call.path["case_id"], call.buyer_id, call.body.carrier, call.body.number
    )
    return await _shown(parts, case)


async def list_cases(parts: Parts, call: Call) -> Answer:
    query = call.query
    found, cursor = await parts[Cases].page(
        query.state or None, after=query.after, limit=query.limit
    )
    return Answer(200, CasePage(await show_cases(parts, found), cursor))


async def agree_to_case(parts: Parts, call: Call) -> Answer:
    case = await parts[Cases].agree(
        call.path["case_id"], call.name, call.body.answer, call.body.amount_fen
    )
    return await _shown(parts, case)


async def refuse_case(parts: Parts, call: Call) -> Answer:
    case = await parts[Cases].refuse(call.path["case_id"], call.name, call.body.answer)
    return await _shown(parts, case)


async def take_case_in(parts: Parts, call: Call) -> Answer:
    case = await parts[Cases].take_in(
        call.path["case_id"], call.name, call.body.fate, call.body.note
    )
    return await _shown(parts, case)


async def show_cases(parts: Parts, cases: Sequence[Case]) -> list[ShownCase]:
    """Cases with their pictures. Raises StoreUnavailable."""
    named = {picture_id for case in cases for picture_id in case.evidence.split()}
    pictures = await parts[Pictures].find(named) if named else {}
    return [_show_case(case, pictures) for case in cases]


async def _shown(parts: Parts, case: Case, status: int = 200) -> Answer:
    return Answer(status, (await show_cases(parts, [case]))[0])


def _show_case(case: Case, pictures: Mapping[str, PictureView]) -> ShownCase:
    return ShownCase(
        case_id=case.case_id,
        order_id=case.order_id,
        kind=CaseKind(case.kind),
        state=CaseState(case.state),
        units=case.units,
        amount_fen=case.amount_fen,
        reason=case.reason,
        evidence=[pictures[each] for each in case.evidence.split() if each in pictures],
        answer=case.answer,
        carrier=case.carrier,
        number=case.number,
        fate=Fate(case.fate) if case.fate else None,
        refund_no=case.refund_no or None,
        due_ms=case.due_ms or None,
        created_ms=case.created_ms,
        updated_ms=case.updated_ms,
    )


declare_path_parameters(
    case_id=PathParameter(CASE_ID_PATTERN, "unknown_case", "An after-sale case's id"),
)
_CASE = ("unknown_case", "case_over", "store_unavailable")


def _decision(name: str, handler: Handler, summary: str, body: type[Struct], about: str) -> Route:
    return Route(
        "POST",
        f"/v1/admin/cases/{{case_id}}/{name}",
        handler,
        summary,
        "admin",
        {200: ShownCase},
        (*_CASE, "invalid_field", "too_much_back"),
        auth="operator",
        action=Action.CASE_DECIDE,
        body=body,
        changes=True,
        description=about,
    )


ROUTES = [
    Route(
        "POST",
        "/v1/orders/{order_id}/cases",
        ask_case,
        "Ask for your money back, with or without a return",
        "orders",
        {201: ShownCase},
        (
            *("unknown_order", "invalid_field", "not_sold", "order_over", "case_open"),
            *("not_shipped", "too_late", "nothing_left", "too_many_cases", "store_unavailable"),
        ),
        auth="buyer",
        body=CaseForm,
        description="An order has one open case at a time.",
    ),
    Route(
        "POST",
        "/v1/orders/{order_id}/evidence",
        upload_evidence,
        "Upload a picture for a case",
        "orders",
        {200: PictureView},
        (
            *("unknown_order", "not_sold", "order_over", "too_many_pictures"),
            *("picture_kind", "picture_mixed", "picture_pixels", "picture_broken"),
            *("media_unavailable", "store_unavailable"),
        ),
        auth="buyer",
        files=KINDS,
        max_bytes=lambda settings: min(MAX_EVIDENCE_BYTES, settings.media.max_bytes),
        description=(
            "The bytes of the file, or a `multipart/form-data` with one file; at most 5 MiB, and "
            "20 of an order. Name its `picture_id` in `evidence` of the case."
        ),
    ),
    Route(
        "GET",
        "/v1/cases/{case_id}",
        show_own_case,
        "Your case",
        "orders",
        {200: ShownCase},
        ("unknown_case", "store_unavailable"),
        auth="buyer",
    ),
    Route(
        "POST",
        "/v1/cases/{case_id}/withdraw",
        withdraw_case,
        "Withdraw your case",
        "orders",
        {200: ShownCase},
        _CASE,
        auth="buyer",
        body=Nothing,
        default_body=Nothing(),
        description="Before the money is on its way back.",
    ),
    Route(
        "POST",
        "/v1/cases/{case_id}/return",
        send_case_back,
        "Say how you sent the goods back",
        "orders",
        {200: ShownCase},
        (*_CASE, "invalid_field"),
        auth="buyer",
        body=Tracking,
        description="After the shop has agreed. May be corrected.",
    ),
    Route(
        "GET",
        "/v1/admin/cases",
        list_cases,
        "After-sale cases, the newest first",
        "admin",
        {200: CasePage},
        ("store_unavailable",),
        auth="operator",
        action=Action.ORDER_READ,
        query=CasesQuery,
    ),
    _decision(
        "agree",
        agree_to_case,
        "Agree to a case",
        Agreement,
        "Of a refund, the money goes back now; of a return, when the goods are there.",
    ),
    _decision("refuse", refuse_case, "Refuse a case", Refusal, "With the reason."),
    _decision(
        "take-in",
        take_case_in,
        "The goods are back",
        Intake,
        "The money goes back; the units go on sale again, are burned, or stay sold.",
    ),
]
