"""What people ask staff for."""

from datetime import datetime

from models.conversation import HelpRequest
from models.enums import TaskStatus


async def open_help_request(conversation_id: int, step: str, now: datetime) -> bool:
    """Ask for a person to answer in this conversation; False where one is asked for already."""
    if await HelpRequest.filter(conversation_id=conversation_id, status=TaskStatus.PENDING).exists():
        return False
    await HelpRequest.create(conversation_id=conversation_id, step=step, opened_at=now)
    return True
