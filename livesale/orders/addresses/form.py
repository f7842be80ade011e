"""An address: its fields, its form, and what must be true of them. No I/O."""

import re
from typing import Annotated

from msgspec import Struct

from livesale.orders.addresses.regions import city_of, is_district, province_of
from livesale.validation.refusals import InvalidField
from livesale.validation.texts import PROSE_PATTERN, whole

# A mobile phone of mainland China, or a landline with its area code.
PHONE_PATTERN = r"^((\+?86)?1[3-9][0-9]{9}|0[0-9]{2,3}-?[0-9]{7,8})$"
OPTIONAL = rf"^({PROSE_PATTERN[1:-1]})?$"  # a line for people, or nothing
_COUNTRY = re.compile(r"^\+?86(?=1[0-9]{10}$)")


class Address(Struct, frozen=True):
    """An address that has been checked."""

    name: str
    phone: str
    province: str
    city: str
    district: str
    detail: str
    postcode: str = ""

    def __repr__(self) -> str:  # a log must not have it
        return f"Address({self.province}, …)"

    @property
    def last_four(self) -> str:
        """The last four digits of the phone."""
        return self.phone[-4:]

    @property
    def line(self) -> str:
        """All of it but the name and the phone, in one line."""
        city = "" if self.city == self.province else self.city
        return f"{self.province}{city}{self.district}{self.detail}"


class AddressForm(Struct, frozen=True, forbid_unknown_fields=True):
    """An address as a client sends it; `wx.chooseAddress` has the same parts."""

    name: Annotated[str, whole(PROSE_PATTERN, min_length=1, max_length=25, examples=["王小明"])]
    phone: Annotated[str, whole(PHONE_PATTERN, max_length=16, examples=["13800138000"])]
    province: Annotated[str, whole(PROSE_PATTERN, max_length=12, examples=["广东省"])]
    city: Annotated[str, whole(PROSE_PATTERN, max_length=30, examples=["深圳市"])]
    detail: Annotated[
        str, whole(PROSE_PATTERN, min_length=2, max_length=120, examples=["科技园路1号"])
    ]
    district: Annotated[str, whole(OPTIONAL, max_length=30, examples=["南山区"])] = ""
    postcode: Annotated[str, whole(r"^([0-9]{6})?$")] = ""


def check_address(form: AddressForm) -> Address:
    """The address of a form. Raises InvalidField."""
    province = province_of(form.province)
    if not province:
        raise InvalidField("province", "It is not one of China's 34 provinces.")
    city = city_of(province, form.city)
    if not city:
        raise InvalidField("city", f"{province} has no city of this form.")
    district = form.district.strip()
    if not is_district(province, city, district):
        raise InvalidField("district", f"{city} has no district of this form.")
    detail = form.detail.strip()
    if len(detail) < 2:
        raise InvalidField("detail", "It needs a street, or a place that can be found.")
    return Address(
        name=form.name.strip(),
        phone=_COUNTRY.sub("", form.phone),
        province=province,
        city=city,
        district=district,
        detail=detail,
        postcode=form.postcode,
    )
