"""What was read from the ID card, for the person to confirm with one press or to correct one by one."""

from datetime import date

import msgspec

from domain import regions
from domain.errors import DomainError
from domain.registration import rules
from domain.verification.rules.card import FIELDS, CardReading
from handlers.conversation import Choice, Draft, Go, On, Outcome, Say, Stay, Turn, pressed, without

# The draft's "proposed" is a screen inside the card's step: the photo, and what was read from it and is not denied.


def readable(reading: CardReading) -> Draft:
    """What was read, as the draft keeps it: only what is there."""
    return {name: value for name, value in msgspec.structs.asdict(reading).items() if value and name != "found"}


def _line(name: str, reading: Draft) -> list[object]:
    value = reading.get(name)
    if not value:
        return ["card.line_missing", {"field_label": f"registration.fix_{name}"}]
    if name == "birth_date":
        return ["card.line_date", {"field_label": f"registration.fix_{name}", "value_date": value}]
    if name == "region":
        found = regions.district(value)
        value = found.path if found else value
    if name == "nik":
        value = f"{value[:6]} {value[6:12]} {value[12:]}"
    return ["card.line", {"field_label": f"registration.fix_{name}", "value": value}]


def ask(turn: Turn) -> Say:
    """Everything that was read, with one button that confirms it."""
    reading = turn.draft["proposed"]["reading"]
    if "card_wrong" in turn.draft:
        fields = tuple(Choice(f"wrong_{name}", f"registration.fix_{name}") for name in FIELDS if reading.get(name))
        return Say("card.which_wrong", choices=(*fields, Choice("!back", "card.none_wrong")))
    lines = [_line(name, reading) for name in FIELDS]
    return Say("card.proposal", {"card_lines": lines}, (Choice("yes", "card.right"), Choice("wrong", "card.wrong")))


def take(turn: Turn, on: On) -> Outcome:
    """Confirm all that is shown, or say what is wrong: that is asked for when the rest is confirmed."""
    choice, proposed = pressed(turn) or "", turn.draft["proposed"]
    reading = proposed["reading"]
    if choice == "wrong":
        return Stay(draft={**turn.draft, "card_wrong": True}, again=True)
    name = choice.removeprefix("wrong_")
    if choice.startswith("wrong_") and reading.get(name):
        left = {**proposed, "reading": without(reading, name)}
        misread = [*turn.draft.get("misread", []), name]
        return Stay(draft={**without(turn.draft, "card_wrong"), "proposed": left, "misread": misread}, again=True)
    if choice != "yes":
        raise DomainError("common.choose")
    if reading.get("birth_date"):
        born = date.fromisoformat(reading["birth_date"])
        rules.check_age(born, turn.today, turn.programme.eligibility_on(turn.today))
    answers = {name: reading[name] for name in FIELDS if reading.get(name)}
    found = on(turn, card_photo=proposed["photo"], reading=reading, **answers)
    return Go(found.step, without(found.draft, "proposed"), found.replies)


def confirmed_and_corrected(draft: Draft) -> tuple[list[str], list[str]]:
    """Of the fields that were read: those the registration kept, and those it did not."""
    reading, misread = draft.get("reading", {}), draft.get("misread", [])
    kept = [name for name in FIELDS if name in reading and reading[name] == draft.get(name)]
    return kept, [name for name in FIELDS if name in misread or (name in reading and name not in kept)]
