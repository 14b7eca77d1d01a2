"""/petugas: who works here, inviting somebody, shutting somebody out."""

from domain import regions
from domain.errors import DomainError
from domain.staff import members
from domain.staff.rules import Permission, name_of
from handlers.conversation import Act, Choice, Done, Elsewhere, Go, Outcome, Say, Step, Turn, pressed
from handlers.conversations.staff import door
from handlers.conversations.staff.home import MENU
from handlers.conversations.talk import elsewhere
from models.enums import Role
from models.staff import StaffMember

SHOWN = 40


def come_in(turn: Turn) -> Outcome:
    """Everybody, and what can be done."""

    async def action() -> Done:
        rows = (await members.everybody())[:SHOWN]
        lines = [_line(row) for row in rows]
        screen = Say("staff.colleagues", {"member_lines": lines}, (Choice("invite", "staff.invite_button"), MENU))
        return Go("staff.colleagues", door.as_view(screen))

    return Act(action)


def _line(row: StaffMember) -> list[object]:
    if row.revoked_at is not None:
        return ["staff.colleague_revoked", {"name": row.name}]
    labels = [[f"staff.role_{role.value}", {}] for role in members.roles_of(row)]
    key = "staff.colleague_in_regions" if row.regions else "staff.colleague"
    params = {"name": row.name, "role_labels": labels}
    return [key, params | ({"regions": row.regions.replace(",", ", ")} if row.regions else {})]


def take(turn: Turn) -> Outcome:
    """A name shows somebody; the button invites."""
    if pressed(turn) == "invite":
        return door.proven(turn) or Go("staff.invite_name", {})
    name = name_of(turn.inbound.text or "")

    async def action() -> Done:
        row = await members.active(name)
        labels = [[f"staff.role_{role.value}", {}] for role in members.roles_of(row)]
        screen = Say(
            "staff.one_colleague",
            {"name": row.name, "role_labels": labels, "regions": row.regions or "-"},
            (
                Choice("again", "staff.reinvite_button"),
                Choice("roles", "staff.roles_button"),
                Choice("revoke", "staff.revoke_button"),
                MENU,
            ),
        )
        return Go("staff.one_colleague", {"name": row.name, **door.as_view(screen)})

    return Act(action)


def take_one(turn: Turn) -> Outcome:
    """Invite again with a new code generator, give other roles, or revoke."""
    if (first := door.proven(turn)) is not None:
        return first
    name, member = turn.draft["name"], turn.staff
    assert member is not None
    match pressed(turn):
        case "again":

            async def renew() -> Done:
                _not_oneself(turn)
                told = await _warn(turn, name)
                await members.unenrol(name, member.name, turn.now)
                done = await _invited(turn, name)
                return Go(done.step, done.draft, (*done.replies, *told))

            return Act(renew)
        case "roles":
            return Go("staff.invite_roles", {"name": name, "roles": []})
        case "revoke":

            async def revoke() -> Done:
                _not_oneself(turn)
                await members.revoke(name, member.name, turn.now)
                return Go("staff.home", {}, (Say("staff.revoked", {"name": name}),))

            return Act(revoke)
    raise DomainError("staff.choose")


async def _warn(turn: Turn, name: str) -> list[Elsewhere]:
    """Whoever's code generator is replaced hears of it in the chats they had, and so do the other admins: with the new
    link somebody else could act in their name.
    """
    assert turn.staff is not None
    by, now = turn.staff.name, turn.now
    chats = {*await members.chats_of(name), *await members.on_duty(Permission.STAFF, "", now)} - {turn.conversation_id}
    say = Say("staff.was_reset", {"name": name, "by": by})
    return [there for chat in sorted(chats) if (there := await elsewhere(chat, say)) is not None]


def _not_oneself(turn: Turn) -> None:
    if turn.staff is not None and turn.draft["name"] == turn.staff.name:
        raise DomainError("staff.not_oneself")


def ask_name(turn: Turn) -> Say:
    """Who."""
    return Say("staff.ask_name", choices=(MENU,))


def take_name(turn: Turn) -> Outcome:
    """A name that staff know each other by."""
    return Go("staff.invite_roles", {"name": name_of(turn.inbound.text or ""), "roles": []})


def ask_roles(turn: Turn) -> Say:
    """One role after another."""
    chosen = turn.draft["roles"]
    choices = [Choice(role.value, f"staff.role_{role.value}") for role in Role if role.value not in chosen]
    done = [Choice("done", "staff.done_button")] if chosen else []
    labels = [[f"staff.role_{role}", {}] for role in chosen] or [["staff.nothing", {}]]
    return Say("staff.ask_roles", {"name": turn.draft["name"], "role_labels": labels}, (*done, *choices, MENU))


def take_roles(turn: Turn) -> Outcome:
    """A role, or enough."""
    choice = pressed(turn) or ""
    if choice == "done" and turn.draft["roles"]:
        return Go("staff.invite_regions", turn.draft)
    if choice not in set(Role):
        raise DomainError("staff.choose")
    return Go("staff.invite_roles", {**turn.draft, "roles": sorted({*turn.draft["roles"], choice})})


def ask_regions(turn: Turn) -> Say:
    """For which provinces."""
    return Say("staff.ask_regions", choices=(Choice("all", "staff.all_regions_button"), MENU))


def take_regions(turn: Turn) -> Outcome:
    """All, or codes of provinces."""
    if (first := door.proven(turn)) is not None:
        return first
    typed = (turn.inbound.text or "").replace(",", " ").split()
    codes = [] if pressed(turn) == "all" else typed
    if pressed(turn) != "all" and not (codes and set(codes) <= regions.provinces()):
        raise DomainError("staff.no_region", region=", ".join(typed)[:40])
    member, name, roles = turn.staff, turn.draft["name"], turn.draft["roles"]
    assert member is not None

    async def action() -> Done:
        _not_oneself(turn)
        known = await StaffMember.get_or_none(name=name, revoked_at=None)
        await members.add(name, [Role(role) for role in roles], codes, member.name, turn.now)
        if known is not None and known.totp_secret is not None:
            return Go("staff.home", {}, (Say("staff.roles_kept", {"name": name}),))
        return await _invited(turn, name)

    return Act(action)


async def _invited(turn: Turn, name: str) -> Go:
    assert turn.staff is not None
    token = await members.invite(name, turn.staff.name, turn.now)
    bot = turn.programme.staff_bot
    page = f"{turn.programme.site_url}/staff#{token}"
    links = page if not bot else f"https://t.me/{bot}?start={token}\n{page}"
    return Go("staff.home", {}, (Say("staff.invited", {"name": name, "links": links}),))


STEPS = (
    Step("staff.colleagues", door.drawn, take, permission=Permission.STAFF),
    Step("staff.one_colleague", door.drawn, take_one, permission=Permission.STAFF),
    Step("staff.invite_name", ask_name, take_name, accepts=frozenset({"text"}), permission=Permission.STAFF),
    Step(
        "staff.invite_roles", ask_roles, take_roles, accepts=frozenset({"choice"}), needs="staff.choose",
        permission=Permission.STAFF,
    ),
    Step("staff.invite_regions", ask_regions, take_regions, permission=Permission.STAFF),
)  # fmt: skip
