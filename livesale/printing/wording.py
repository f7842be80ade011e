"""Numbers in sentences: `1 drop`, `2 drops`. No I/O."""


def counted(number: int, noun: str, plural: str = "") -> str:
    """The number, with commas, and the noun in the form it asks for: by default with an `s`."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"
