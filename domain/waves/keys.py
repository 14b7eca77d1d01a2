"""What makes a rank: seed and key; and a row of the frozen list. Pure; ``draw`` does it for millions."""

import hashlib
from collections.abc import Callable

TAG_DIGITS = 16  # hex digits of the household's tag


def seed_of(commitment: bytes, beacon: bytes) -> bytes:
    """SHA-256 over the commitment's 32 bytes and the beacon's (a drand signature, or the digits of dice)."""
    return hashlib.sha256(commitment + beacon).digest()


def keyed(seed: bytes) -> Callable[[bytes], bytes]:
    """HMAC-SHA256 under the seed, for millions of short tickets: the padded keys are hashed once."""
    block = seed.ljust(64, b"\0")
    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block))
    outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in block))

    def key(ticket: bytes) -> bytes:
        first, second = inner.copy(), outer.copy()
        first.update(ticket)
        second.update(first.digest())
        return second.digest()

    return key


def row(ticket: str, household: str, used: int, stratum: str) -> str:
    """A line of entrants.csv; all but the stratum are of fixed width."""
    return f"{ticket},{household},{min(used, 9)},{stratum}\n"
