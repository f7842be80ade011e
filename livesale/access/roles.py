"""The roles of operators."""

from enum import StrEnum

# What tokens call the owner since before there were more roles: programs still have such tokens.
_OWNER_IN_TOKENS = "operator"


class Role(StrEnum):
    """`Role("operator")` is the owner, too."""

    OWNER = "owner"
    SALE = "sale"
    FINANCE = "finance"
    ROOM = "room"
    CLERK = "clerk"  # of one pickup store
    VIEWER = "viewer"

    @classmethod
    def _missing_(cls, value: object) -> "Role | None":
        return cls.OWNER if value == _OWNER_IN_TOKENS else None

    @property
    def in_tokens(self) -> str:
        """Its name in a token, which the release before must understand."""
        return _OWNER_IN_TOKENS if self is Role.OWNER else self.value


ABOUT: dict[Role, str] = {
    Role.OWNER: "everything, and who the operators are",
    Role.SALE: "goods, campaigns and drops",
    Role.FINANCE: "orders and refunds",
    Role.ROOM: "live rooms and the people in them",
    Role.CLERK: "hands out the orders of one pickup store",
    Role.VIEWER: "reads, changes nothing",
}
