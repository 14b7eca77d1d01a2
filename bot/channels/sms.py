"""SMS, through Twilio: out only. Two-way SMS does not exist in Indonesia, so nothing is expected back."""

from datetime import datetime

from bot.channel import SendError, Sent
from bot.gateways.twilio import Twilio
from handlers.i18n import Rendered


class SmsSender:
    """The sending half: from a number or a name, or by a messaging service that picks one."""

    def __init__(self, account: Twilio, sender: str, messaging_service: str) -> None:
        self._account = account
        self._by = {"messaging_service_sid": messaging_service} if messaging_service else {"from_": sender}

    async def send(self, to: str, message: Rendered, number: int) -> Sent | SendError:
        """See bot.channel.Sender."""
        return await self._account.create(number, to=to, body=message.text, **self._by)

    async def find(self, to: str, message: Rendered, since: datetime) -> str | None:
        """See bot.channel.Tracing."""
        return await self._account.find(to, (message.text,), since)
