"""Members of staff in tests: invited, with a code generator of their own, in a chat of the staff page."""

from collections.abc import Sequence

import pyotp

from domain.staff import members
from handlers import i18n
from handlers.engine import Engine, TurnResult
from models.database import writing
from models.enums import Channel, Role
from models.staff import StaffMember
from tests.handlers.talk import Clock, Person


class Officer(Person):
    """Somebody who works for the programme."""

    def __init__(self, engine: Engine, name: str, clock: Clock, channel: Channel = Channel.STAFF_BROWSER) -> None:
        super().__init__(engine, f"{name}-" + "x" * 32 if channel == Channel.STAFF_BROWSER else name, channel)
        self.name, self.clock = name, clock

    def _hear(self, result: TurnResult) -> list[str]:
        """As for everybody; whatever is said fits Telegram in each language."""
        heard = super()._hear(result)
        for message in self.last:
            for language in i18n.LANGUAGES:
                shown = i18n.render(message.body.say, language)
                assert len(i18n.with_details(shown).text) <= 4096
                assert all(choice.label and len(choice.id.encode()) <= 64 for choice in shown.choices)
        return heard

    async def code(self) -> str:
        """What their code generator shows, half a minute after the last one."""
        self.clock.forward(seconds=60)
        member = await StaffMember.get(name=self.name)
        return pyotp.TOTP(str(member.totp_secret)).at(self.clock())

    async def come(self, token: str) -> list[str]:
        """Open the invitation and sign in."""
        await self.send(choice=f"!enter_{token}")
        return await self.say(await self.code())

    async def prove(self) -> list[str]:
        """Type a code, where one is asked for."""
        return await self.say(await self.code())


async def officer(
    engine: Engine, clock: Clock, name: str, roles: Sequence[Role], regions: Sequence[str] = ()
) -> Officer:
    """A member who is signed in."""
    async with writing():
        await members.add(name, roles, regions, "operator", clock())
        token = await members.invite(name, "operator", clock())
    found = Officer(engine, name, clock)
    assert await found.come(token) == ["staff.home"]
    return found
