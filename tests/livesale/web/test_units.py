"""A number in another unit than its name says is refused, and the refusal names the unit."""

from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import msgspec
import pytest
from msgspec import Meta, Struct

from livesale.app import ROUTES
from livesale.catalogue.service import EARLIEST_MS, NewCampaign, campaign_of, check_window
from livesale.validation.refusals import InvalidField
from livesale.web.parsing import read_body
from livesale.web.problems import Problem
from livesale.web.routes import Route

SECONDS = 1_800_000_000  # a time in 2027, in seconds
UNITS = ("_ms", "_s", "_fen")


def numbers(kind: Any) -> Iterator[Meta | None]:
    """What is said of the numbers that a type allows; None for one of which nothing is."""
    if get_origin(kind) is Annotated:
        inner, *said = get_args(kind)
        if inner in (int, float):
            yield next((one for one in said if isinstance(one, Meta)), None)
            return
        yield from numbers(inner)
    elif get_origin(kind) in (Union, UnionType):
        for part in get_args(kind):
            yield from numbers(part)
    elif kind in (int, float):
        yield None


def fields() -> Iterator[tuple[str, str, Meta | None]]:
    for route in ROUTES:
        for kind in filter(None, (route.body, route.query)):
            for name, hint in get_type_hints(kind, include_extras=True).items():
                if name.endswith(UNITS):
                    for meta in numbers(hint):
                        yield route.path, name, meta


def test_every_number_with_a_unit_has_a_range() -> None:
    found = list(fields())
    assert {name for _, name, _ in found} >= {"opens_ms", "hold_ms", "price_fen", "countdown_s"}
    for path, name, meta in found:
        assert meta is not None and None not in (meta.ge, meta.le), f"{path}: {name}"


@pytest.mark.parametrize(
    ("path", "field", "unit"),
    [
        ("/v1/admin/campaigns", "closes_ms", "milliseconds"),
        ("/v1/rooms", "starts_ms", "milliseconds"),
        ("/v1/admin/skus", "price_fen", "fen"),
        ("/v1/rooms/{room_id}/drops/{drop_id}/open", "countdown_s", "seconds"),
    ],
)
def test_a_refusal_names_the_unit(path: str, field: str, unit: str) -> None:
    route = next(route for route in ROUTES if (route.method, route.path) == ("POST", path))
    good = {"title": "x", "price_fen": 1, "opens_ms": 0, "closes_ms": EARLIEST_MS + 1}
    good |= {"host": "ann", "starts_ms": EARLIEST_MS, "countdown_s": 1}
    wrong = {"closes_ms": SECONDS, "starts_ms": SECONDS, "price_fen": 0, "countdown_s": 30_000}
    body = {name: good[name] for name in fields_of(route) & good.keys()} | {field: wrong[field]}
    with pytest.raises(Problem) as refused:
        read_body(msgspec.json.Decoder(route.body), msgspec.json.encode(body))
    assert refused.value.members["field"] == field
    assert unit in str(refused.value.detail)


def test_a_sale_whose_opening_is_in_seconds_is_refused() -> None:
    with pytest.raises(InvalidField, match="milliseconds"):
        campaign_of(NewCampaign("Now", SECONDS, SECONDS * 1000 + 1))
    check_window(0, EARLIEST_MS)  # at once


def fields_of(route: Route) -> set[str]:
    kind = route.body
    assert kind is not None and issubclass(kind, Struct)
    return set(kind.__struct_fields__)
