"""What people ask staff for."""

from datetime import datetime

from domain.errors import DomainError
from models.conversation import HelpRequest
from models.enums import TaskStatus


async def open_help_request(conversation_id: int, step: str, now: datetime) -> bool:
    """Ask for a person to answer in this conversation; False where one is asked for already."""
    if await HelpRequest.filter(conversation_id=conversation_id, status=TaskStatus.PENDING).exists():
        return False
    await HelpRequest.create(conversation_id=conversation_id, step=step, opened_at=now)
    return True


async def open_help_requests() -> list[HelpRequest]:
    """Requests nobody has answered yet, oldest first."""
    return await HelpRequest.filter(status=TaskStatus.PENDING).order_by("id")


async def close_help_request(number: int, now: datetime) -> int:
    """Mark a request as answered and give its conversation; refused with staff.no_such_request."""
    closed = await HelpRequest.filter(id=number, status=TaskStatus.PENDING).update(
        status=TaskStatus.DONE, closed_at=now
    )
    if not closed:
        raise DomainError("staff.no_such_request")
    return (await HelpRequest.get(id=number)).conversation_id
