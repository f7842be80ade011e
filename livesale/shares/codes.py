"""Short codes: easy to read out, and short enough for the `scene` of a mini-program's code.

WeChat allows 32 characters there: digits, Latin letters and some signs.
"""

import secrets

# Without characters that look alike: 0 and o, 1, i and l; and without u.
ALPHABET = "23456789abcdefghjkmnpqrstvwxyz"
LENGTH = 8  # 656 billion codes
CODE_PATTERN = rf"^[{ALPHABET}]{{{LENGTH}}}$"
MAX_SCENE = 32


def new_code() -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
