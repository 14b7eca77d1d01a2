"""Who may run the programme: inviting, letting in, signing in, revoking. Verbs save; they never commit."""

import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pyotp
from tortoise.expressions import F

from domain import regions as places
from domain.audit import record
from domain.errors import DomainError
from domain.staff.rules import INVITE, LOCKED, SESSION, STEP_SECONDS, TRIES, Member, Permission, name_of, permissions_of
from models import crypto
from models.enums import Role
from models.staff import StaffChat, StaffInvite, StaffMember

ISSUER = "Gelombang"


MOST_NAME = 40  # letters, as the table has room for


async def add(name: str, roles: Sequence[Role], regions: Sequence[str], by: str, now: datetime) -> StaffMember:
    """A new member, or other roles and regions for one; somebody who was revoked comes back.

    Refused with staff.bad_name, staff.no_roles or staff.no_region.
    """
    name = name_of(name)
    if not 2 <= len(name) <= MOST_NAME or not name.replace(" ", "").replace(".", "").replace("-", "").isalnum():
        raise DomainError("staff.bad_name")
    if not roles:
        raise DomainError("staff.no_roles")
    for code in regions:
        if code not in places.provinces():
            raise DomainError("staff.no_region", region=code)
    terms: dict[str, Any] = {
        "roles": ",".join(sorted(set(roles))),
        "regions": ",".join(sorted(set(regions))),
        "revoked_at": None,
    }
    before = await StaffMember.get_or_none(name=name)
    if before is None:
        member = await StaffMember.create(name=name, invited_by=by, created_at=now, **terms)
    else:
        await StaffMember.filter(id=before.id).update(**terms)
        member = await StaffMember.get(id=before.id)
    old = [before.roles, before.regions, before.revoked_at is not None] if before else None
    words = f"{terms['roles']} {terms['regions']}".strip()
    await record(by, "member.added", f"staff:{name}", now=now, before=old, after=list(terms.values()), words=words)
    return member


async def invite(name: str, by: str, now: datetime) -> str:
    """A new token that lets a member into one chat, once, for a day; earlier ones are void. Refused with
    staff.no_member.
    """
    member = await active(name)
    await StaffInvite.filter(member_id=member.id, used_at__isnull=True).update(expires_at=now)
    token = secrets.token_urlsafe(24)
    await StaffInvite.create(member_id=member.id, token_index=_index(token), created_at=now, expires_at=now + INVITE)
    await record(by, "member.invited", f"staff:{member.name}", now=now)
    return token


def _index(token: str) -> bytes:
    return crypto.ring().index("staff_invite", token)


async def active(name: str) -> StaffMember:
    """A member who is not revoked, by name; refused with staff.no_member."""
    name = name_of(name)
    member = await StaffMember.get_or_none(name=name, revoked_at__isnull=True) if len(name) <= MOST_NAME else None
    if member is None:
        raise DomainError("staff.no_member")
    return member


async def revoke(name: str, by: str, now: datetime) -> None:
    """Shut somebody out, from this moment, in every chat. Refused with staff.no_member."""
    member = await active(name)
    await StaffMember.filter(id=member.id).update(revoked_at=now, totp_secret=None, totp_used=0)
    await StaffChat.filter(member_id=member.id).delete()
    await StaffInvite.filter(member_id=member.id, used_at__isnull=True).update(expires_at=now)
    await record(by, "member.revoked", f"staff:{member.name}", now=now, before=member.roles)


async def unenrol(name: str, by: str, now: datetime) -> None:
    """Forget somebody's code generator, as when the phone is lost: with a new invitation they set up another."""
    member = await active(name)
    await StaffMember.filter(id=member.id).update(totp_secret=None, totp_used=0, totp_tries=0, locked_until=None)
    await StaffChat.filter(member_id=member.id).delete()
    await record(by, "member.reset", f"staff:{member.name}", now=now)


async def at(conversation_id: int, now: datetime) -> Member | None:
    """The member who works in a conversation; None for everybody else, and from the moment they are revoked."""
    chat = await StaffChat.filter(conversation_id=conversation_id, member__revoked_at__isnull=True).get_or_none()
    if chat is None:
        return None
    row = await StaffMember.get(id=chat.member_id)
    return Member(
        id=row.id,
        name=row.name,
        roles=roles_of(row),
        regions=regions_of(row),
        enrolled=row.totp_secret is not None,
        signed_in=chat.ends_at is not None and chat.ends_at > now,
        proven_at=chat.proven_at,
    )


def roles_of(row: StaffMember) -> tuple[Role, ...]:
    """The roles a member has."""
    return tuple(Role(name) for name in row.roles.split(",") if name)


def regions_of(row: StaffMember) -> tuple[str, ...]:
    """The provinces a member works for; none: all."""
    return tuple(code for code in row.regions.split(",") if code)


async def enter(token: str, conversation_id: int, now: datetime) -> StaffMember | None:
    """Let whoever has this token work in this conversation, after a code; None where it is used, old or unknown."""
    unused = StaffInvite.filter(token_index=_index(token), used_at__isnull=True, expires_at__gt=now)
    invitation = await unused.first()
    if invitation is None or not await unused.update(used_at=now):
        return None
    member = await StaffMember.get_or_none(id=invitation.member_id, revoked_at__isnull=True)
    if member is None:
        return None
    await StaffChat.filter(conversation_id=conversation_id).delete()
    await StaffChat.create(member_id=member.id, conversation_id=conversation_id, entered_at=now)
    if not member.totp_used:  # no code of theirs was ever taken: the secret may not have been kept
        await StaffMember.filter(id=member.id).update(totp_secret=pyotp.random_base32())
    await record(member.name, "member.entered", f"staff:{member.name}", now=now)
    return member


async def secret_of(member_id: int) -> tuple[str, str]:
    """What a member puts into their code generator: the secret in groups of four, and as a URI."""
    member = await StaffMember.get(id=member_id)
    secret = str(member.totp_secret)
    uri = pyotp.TOTP(secret).provisioning_uri(name=member.name, issuer_name=ISSUER)
    return " ".join(secret[start : start + 4] for start in range(0, len(secret), 4)), uri


async def prove(member_id: int, conversation_id: int, code: str, now: datetime) -> bool:
    """Take a code of a member: signed in from now on where it is right. A code counts once, and is good for half a
    minute before and after its time. Refused with staff.locked after five wrong ones.
    """
    # The update is the lock: of two chats that type the same code one is told that it was used.
    await StaffMember.filter(id=member_id).update(totp_tries=F("totp_tries"))
    member = await StaffMember.filter(id=member_id).select_for_update().get()
    if member.locked_until is not None and member.locked_until > now:
        raise DomainError("staff.locked", until_time=member.locked_until.isoformat())
    step = _step_of(str(member.totp_secret), code, now)
    if step is None or step <= member.totp_used:
        tries = member.totp_tries + 1
        locked = now + LOCKED if tries >= TRIES else None
        await StaffMember.filter(id=member_id).update(totp_tries=0 if locked else tries, locked_until=locked)
        await record(member.name, "member.wrong_code", f"staff:{member.name}", now=now)
        return False
    await StaffMember.filter(id=member_id).update(totp_used=step, totp_tries=0, locked_until=None)
    await StaffChat.filter(conversation_id=conversation_id).update(ends_at=now + SESSION, proven_at=now)
    await record(member.name, "member.signed_in", f"staff:{member.name}", now=now)
    return True


def _step_of(secret: str, code: str, now: datetime) -> int | None:
    """The time step that a code is for, of the last, this and the next."""
    digits = "".join(code.split())
    current, totp = int(now.timestamp()) // STEP_SECONDS, pyotp.TOTP(secret)
    for step in (current - 1, current, current + 1):
        if digits.isdecimal() and pyotp.utils.strings_equal(totp.generate_otp(step), digits):
            return step
    return None


async def sign_out(member: Member, conversation_id: int, now: datetime) -> None:
    """End a session now."""
    await StaffChat.filter(conversation_id=conversation_id).update(ends_at=now, proven_at=None)
    await record(member.name, "member.signed_out", f"staff:{member.name}", now=now)


async def everybody() -> list[StaffMember]:
    """All members, the revoked ones too."""
    return await StaffMember.all().order_by("name")


async def known(name: str) -> bool:
    """Whether somebody may act under this name on a command line: any name where there is no staff yet."""
    if await StaffMember.filter(name=name_of(name), revoked_at__isnull=True).exists():
        return True
    return not await StaffMember.all().exists()


async def on_duty(permission: Permission, region_code: str, now: datetime) -> list[int]:
    """Conversations of members who are signed in, may do this and work for this region ("": none in particular); who
    came last comes first.
    """
    chats = StaffChat.filter(ends_at__gt=now, member__revoked_at__isnull=True).prefetch_related("member")
    found = []
    for chat in await chats.order_by("-proven_at"):
        given = regions_of(chat.member)
        covered = not given or not region_code or region_code[:2] in given
        if covered and permission in permissions_of(roles_of(chat.member), given):
            found.append(chat.conversation_id)
    return found


async def chats_of(name: str) -> list[int]:
    """The conversations in which a member works."""
    chats = StaffChat.filter(member__name=name_of(name))
    return [int(number) for (number,) in await chats.values_list("conversation_id")]


async def names_on_duty(now: datetime) -> list[str]:
    """Members who are signed in somewhere."""
    chats = StaffChat.filter(ends_at__gt=now, member__revoked_at__isnull=True).prefetch_related("member")
    return sorted({chat.member.name for chat in await chats})
