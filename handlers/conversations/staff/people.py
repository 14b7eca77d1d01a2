"""/cari and /daftarkan: look somebody up with a reason, correct what they gave, register somebody without a phone."""

from datetime import date
from typing import Any

import msgspec

from domain import regions
from domain.errors import DomainError
from domain.privacy.actions import record_consent
from domain.registration import rules
from domain.registration.actions import Answers
from domain.staff import people
from domain.staff.rules import Permission
from domain.verification.rules.nik import nik_of, nik_warnings
from handlers import i18n
from handlers.conversation import Act, Choice, Done, Go, Outcome, Say, Step, Turn, pressed
from handlers.conversations.staff import door
from handlers.conversations.staff.home import MENU
from models.enums import Education, Employment, Interest
from models.person import Person

SHORTEST_REASON = 5
REGIONS_SHOWN = 6
_LISTED = {"education": Education, "employment": Employment, "interest": Interest}
FORM = (
    "consent",
    "nik",
    "name",
    "birth_date",
    "kk",
    "region",
    "address",
    "education",
    "employment",
    "interest",
    "phone",
)


def come_in(turn: Turn) -> Outcome:
    """Why, before whom."""
    return Go("staff.people_reason_write", {})


def ask_reason(turn: Turn) -> Say:
    """The reason goes into the log."""
    return Say("staff.ask_reason", choices=(MENU,))


def take_reason(turn: Turn) -> Outcome:
    """A few words at least."""
    return Go("staff.people_write", {"reason": _reason(turn)})


def _reason(turn: Turn) -> str:
    words = " ".join((turn.inbound.text or "").split())[:200]
    if len(words) < SHORTEST_REASON:
        raise DomainError("staff.reason_needed")
    return words


def ask_whom(turn: Turn) -> Say:
    """By ticket or phone."""
    return Say("staff.ask_whom", choices=(MENU,))


def take_whom(turn: Turn) -> Outcome:
    """Everybody with that ticket or number; nothing is said of why somebody is not found."""
    typed, reason, member = (turn.inbound.text or "").strip(), turn.draft["reason"], turn.staff
    assert member is not None

    async def action() -> Done:
        found = await people.find(member, typed, reason, turn.now)
        if not found:
            return Go("staff.people_write", turn.draft, (Say("staff.nobody_found"),))
        if len(found) == 1:
            return await _show(turn, found[0])
        choices = [
            Choice(f"person_{row.id}", "staff.person_choice", {"number": row.id, "name": people.masked_name(row.name)})
            for row in found
        ]
        return Go(
            "staff.person",
            {
                "reason": reason,
                "person": 0,
                "found": [row.id for row in found],
                **door.as_view(Say("staff.several", choices=(*choices, MENU))),
            },
        )

    return Act(action)


async def show_for(turn: Turn, person: Person, reason: str) -> Done:
    """A person's sheet for a reason that is known already; who is shown is recorded like a look-up."""
    assert turn.staff is not None
    await people.note_look(turn.staff, person, reason, turn.now)
    return await _show(msgspec.structs.replace(turn, draft={"reason": reason}), person)


async def _show(turn: Turn, person: Person, *replies: Say) -> Done:
    sheet = await people.sheet_of(person)
    lines: list[list[Any]] = [
        ["staff.layer_line", {"layer_label": f"layer.name_{layer}", "state_label": f"staff.state_{state}"}]
        for layer, state in sheet.layers
    ]
    params = {
        "number": sheet.number, "name": sheet.name, "nik": sheet.nik, "phone": sheet.phone,
        "since_time": sheet.since.isoformat(), "tickets": ", ".join(sheet.tickets) or "-",
        "balance_number": sheet.balance, "layer_lines": lines or [["staff.nothing", {}]],
    }  # fmt: skip
    screen = Say("staff.person", params, (Choice("correct", "staff.correct_button"), MENU))
    return Go("staff.person", {"reason": turn.draft["reason"], "person": person.id, **door.as_view(screen)}, replies)


def take_person(turn: Turn) -> Outcome:
    """One of several, or a correction."""
    choice, member = pressed(turn) or "", turn.staff
    assert member is not None
    if choice == "correct" and turn.draft["person"]:
        return Go("staff.person_field", {"reason": turn.draft["reason"], "person": turn.draft["person"]})
    number = choice.removeprefix("person_")
    # Only those that were found: a number in a button opens nobody.
    if not number.isdecimal() or len(number) > 18 or int(number) not in turn.draft.get("found", ()):
        raise DomainError("staff.choose")

    async def action() -> Done:
        return await _show(turn, await people.person_of(member, int(number)))

    return Act(action)


def ask_field(turn: Turn) -> Say:
    """What is to be corrected."""
    return Say("staff.ask_field", choices=(*(Choice(name, f"registration.fix_{name}") for name in people.FIELDS), MENU))


def take_field(turn: Turn) -> Outcome:
    """A field."""
    field = pressed(turn) or ""
    if field not in people.FIELDS:
        raise DomainError("staff.choose")
    return Go("staff.person_value_write", {**turn.draft, "field": field})


def ask_value(turn: Turn) -> Say:
    """What it should be."""
    return Say("staff.ask_new_value", {"field_label": f"registration.fix_{turn.draft['field']}"}, (MENU,))


def take_value(turn: Turn) -> Outcome:
    """Read as in registration, and shown beside what holds now."""
    member, field = turn.staff, turn.draft["field"]
    assert member is not None

    async def action() -> Done:
        person = await people.person_of(member, turn.draft["person"])
        value = people.read_correction(field, turn.inbound.text or "", person, turn.today, regions.provinces())
        await people.note_shown(member, person, field, turn.draft["reason"], turn.now)
        params = {"field_label": f"registration.fix_{field}", "before": str(getattr(person, field)), "after": value}
        screen = Say("staff.confirm_correction", params, (Choice("yes", "staff.confirm_button"), MENU))
        return Go("staff.person_confirm", {**turn.draft, "value": value, **door.as_view(screen)})

    return Act(action)


def take_confirm(turn: Turn) -> Outcome:
    """Change it."""
    member, draft = turn.staff, turn.draft
    assert member is not None
    if pressed(turn) != "yes":
        raise DomainError("staff.choose")

    async def action() -> Done:
        person = await people.person_of(member, draft["person"])
        await people.correct(member, person, draft["field"], draft["value"], draft["reason"], turn.now)
        return await _show(turn, await Person.get(id=person.id), Say("staff.corrected"))

    return Act(action)


# --- somebody without a phone


def come_in_assisted(turn: Turn) -> Outcome:
    """The form, beginning with the consent."""
    return Go("staff.assist_write", {"form": {}})


def _field(turn: Turn) -> str:
    return next((name for name in FORM if name not in turn.draft["form"]), "")


def ask_form(turn: Turn) -> Say:
    """The next question, or everything to look over."""
    field, form = _field(turn), turn.draft["form"]
    if not field:
        region = regions.district(form["region"])
        params = {
            "name": form["name"], "nik": form["nik"], "birth_date": form["birth_date"], "kk": form["kk"],
            "home": region.path if region else form["region"], "address": form["address"],
            "phone": form["phone"] or "-",
            "education_label": f"education.{form['education']}", "employment_label": f"employment.{form['employment']}",
            "interest_label": f"interest.{form['interest']}",
        }  # fmt: skip
        return Say(
            "staff.assist_summary",
            params,
            (Choice("register", "staff.assist_button"), Choice("again", "staff.assist_again"), MENU),
        )
    choices: tuple[Choice, ...] = ()
    if field in _LISTED:
        choices = tuple(Choice(value.value, f"{field}.{value.value}") for value in _LISTED[field])
    elif field == "region":
        choices = tuple(
            Choice(code, "staff.region_choice", {"path": path}) for code, path in turn.draft.get("regions", ())
        )
    if field == "phone":
        choices = (Choice("no_phone", "staff.assist_no_phone"),)
    if field == "consent":
        return Say("staff.assist_consent", {"notice_label": "privacy.notice"}, (MENU,))
    return Say(f"staff.assist_{field}", choices=(*choices, MENU))


def take_form(turn: Turn) -> Outcome:
    """An answer, by the rules of registration; at the end the registration itself."""
    field, form, choice = _field(turn), turn.draft["form"], pressed(turn)
    typed = turn.inbound.text or ""
    if not field:
        if choice == "again":
            return come_in_assisted(turn)
        if choice != "register":
            raise DomainError("staff.choose")
        return Act(lambda: _register(turn))
    if field == "region" and choice is None:
        found = [(region.code, region.path) for region in regions.find(typed, REGIONS_SHOWN)]
        if not found:
            raise DomainError("registration.region_unknown")
        return Go("staff.assist_write", {**turn.draft, "regions": found})
    value = choice if choice is not None else _read(turn, field, typed)
    if field == "phone" and choice == "no_phone":
        return Go("staff.assist_write", {"form": {**form, "phone": ""}})
    if choice is not None and not _offered(turn, field, choice):
        raise DomainError("staff.choose")
    return Go("staff.assist_write", {"form": {**form, field: value}})


def _offered(turn: Turn, field: str, choice: str) -> bool:
    if field == "region":
        return choice in {code for code, _ in turn.draft.get("regions", ())}
    return field in _LISTED and choice in set(_LISTED[field])


def _read(turn: Turn, field: str, typed: str) -> str:
    form, provinces = turn.draft["form"], regions.provinces()
    match field:
        case "consent":
            return _reason(turn)
        case "nik":
            return rules.read_nik(typed, provinces).number
        case "name":
            return rules.read_name(typed)
        case "birth_date":
            born = rules.read_birth_date(typed, turn.today)
            rules.check_age(born, turn.today, turn.programme.eligibility_on(turn.today))
            return born.isoformat()
        case "kk":
            return rules.read_kk(typed, form["nik"], provinces)
        case "address":
            return rules.read_address(typed)
        case "phone":
            return rules.read_phone(typed)
    raise DomainError("staff.choose")


async def _register(turn: Turn) -> Done:
    form, member = turn.draft["form"], turn.staff
    assert member is not None
    if not member.covers(form["region"]):
        raise DomainError("staff.other_region")
    rules.check_employment(form["employment"], turn.programme.eligibility_on(turn.today))
    nik, born = nik_of(form["nik"]), date.fromisoformat(form["birth_date"])
    warnings = nik_warnings(nik, born, known_region=regions.knows(nik.region), sex=nik.sex)
    answers = msgspec.convert(
        {**form, "sex": nik.sex.value, "card_photo": "", "warnings": warnings}, Answers, strict=False
    )
    notice = i18n.text("id", "privacy.notice")
    talk, number, ticket = await people.assist(member, answers, form["consent"], "id", turn.now)
    await record_consent(talk, "assisted", notice, "id", turn.inbound.channel, turn.now)
    return Go("staff.home", {}, (Say("staff.assisted", {"number": number, "ticket": ticket or "-"}),))


_LOOK = Permission.PEOPLE
_CHOICE = frozenset({"choice"})
STEPS = (
    Step("staff.people_reason_write", ask_reason, take_reason, accepts=frozenset({"text"}), permission=_LOOK),
    Step("staff.people_write", ask_whom, take_whom, accepts=frozenset({"text"}), permission=_LOOK),
    Step("staff.person", door.drawn, take_person, accepts=_CHOICE, needs="staff.choose", permission=_LOOK),
    Step("staff.person_field", ask_field, take_field, accepts=_CHOICE, needs="staff.choose", permission=_LOOK),
    Step("staff.person_value_write", ask_value, take_value, accepts=frozenset({"text"}), permission=_LOOK),
    Step("staff.person_confirm", door.drawn, take_confirm, accepts=_CHOICE, needs="staff.choose", permission=_LOOK),
    Step("staff.assist_write", ask_form, take_form, match_parts=False, permission=Permission.ASSIST),
)
