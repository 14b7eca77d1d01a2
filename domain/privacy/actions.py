"""What people agreed to."""

import hashlib
from datetime import datetime

from models.conversation import Consent
from models.enums import Channel

NOTICE_VERSION = "2"


async def record_consent(
    conversation_id: int, subject: str, text: str, language: str, channel: Channel, now: datetime
) -> None:
    """Keep a consent with version and SHA-256 of the text that was shown or offered (UU PDP 27/2022, art. 20-22)."""
    await Consent.create(
        conversation_id=conversation_id,
        subject=subject,
        text_version=NOTICE_VERSION,
        text_sha256=hashlib.sha256(text.encode()).digest(),
        language=language,
        channel=channel,
        given_at=now,
    )
