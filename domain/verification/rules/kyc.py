"""References that people give to a partner. Pure but for chance."""

import secrets

# Crockford's base 32 without vowels: read from a small screen, typed into a bank's app, and no word by accident.
ALPHABET = "0123456789BCDFGHJKMNPQRSTVWXYZ"


def new_reference() -> str:
    """A reference such as "K7M2-9QXD-4TBR": 58 random bits, good once."""
    letters = [secrets.choice(ALPHABET) for _ in range(12)]
    return "-".join("".join(letters[at : at + 4]) for at in (0, 4, 8))


def normal_reference(typed: str) -> str:
    """A reference as it is looked up, whatever case and dashes it was typed with."""
    return "".join(char for char in typed.upper() if char in ALPHABET)
