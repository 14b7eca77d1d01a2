"""Tickets: random, readable aloud, and telling nothing about the person."""

import secrets

# Crockford's base 32: no I, L, O or U, so that a ticket read from a small screen is typed back right.
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def new_ticket(wave: int) -> str:
    """A ticket such as "G3-7KQ4-M2XD": the wave's number and 40 random bits."""
    letters = "".join(secrets.choice(ALPHABET) for _ in range(8))
    return f"G{wave}-{letters[:4]}-{letters[4:]}"
