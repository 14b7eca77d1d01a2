"""Links into the browser chat, after proof of the phone: from an SMS, which nobody can answer, or to send photos."""

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

from domain.letters import CODE_LETTERS
from models import crypto
from models.notice import ContinueLink

LENGTH = 10  # of 30 letters each: nobody guesses one of a million links
GOOD_FOR = timedelta(days=7)


def _index(token: str) -> bytes:
    return crypto.ring().index("continue_link", token)


async def start_links(phones: Sequence[str], now: datetime) -> list[str]:
    """A new token for each of these phones, in their order."""
    tokens = ["".join(secrets.choice(CODE_LETTERS) for _ in range(LENGTH)) for _ in phones]
    await ContinueLink.bulk_create(
        [
            ContinueLink(token_index=_index(token), phone=phone, expires_at=now + GOOD_FOR)
            for phone, token in zip(phones, tokens, strict=True)
        ]
    )
    return tokens


async def use_link(token: str, now: datetime) -> str | None:
    """The phone that has to be proven for this link; None where it was used, is too old or never was.

    The link proves nothing by itself: whoever has it still needs the code that goes to that phone.
    """
    used = await ContinueLink.filter(token_index=_index(token.upper()), used_at=None, expires_at__gt=now).update(
        used_at=now
    )
    if not used:
        return None
    return str((await ContinueLink.get(token_index=_index(token.upper()))).phone)
