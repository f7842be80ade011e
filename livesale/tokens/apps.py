"""The apps of a shop by which buyers come. WeChat knows a person by another openid in each."""

from enum import StrEnum


class App(StrEnum):
    """What a buyer's token says: payments go by the app of the login."""

    MINI_PROGRAM = "mini_program"  # also the login of development, and tokens of programs
    OFFICIAL_ACCOUNT = "official_account"  # pages in WeChat's browser
