"""The registration conversation: from the first hello to the ticket in the open wave.

Each step is a prompt, an answer and an entry in FLOW; the flow goes to the first step whose fields are not filled yet.
"""

from datetime import date
from typing import TypeAlias

import msgspec

from domain import regions
from domain.errors import DomainError
from domain.privacy.actions import note_request, record_consent
from domain.privacy.rules import NOTICE_VERSION
from domain.registration import rules
from domain.registration.actions import Answers, register
from domain.verification.actions.cards import record_answers
from domain.verification.actions.codes import check_code, prove_phone
from domain.verification.actions.faces import faces_agree
from domain.verification.actions.kyc import vouches_for
from domain.verification.actions.layers import ask_for_verification
from domain.verification.actions.tries import note_try
from domain.verification.rules.nik import nik_of, nik_warnings
from domain.waves.actions import current_wave
from handlers import i18n
from handlers.conversation import (
    Act,
    Choice,
    Done,
    Flow,
    Go,
    KycOutcome,
    Outcome,
    PhotoOutcome,
    Resume,
    Say,
    Stay,
    Step,
    Turn,
    pressed,
    without,
)
from handlers.conversations import card, kyc, photos
from handlers.conversations.codes import send_code
from handlers.conversations.waves import join_wave
from models.enums import Channel, Education, Employment, Interest, RequestKind, Sex


def _on(turn: Turn, *replies: Say, **answers: object) -> Go:
    """Keep answers and go to the next open question. A selfie counts only for the card it was compared with."""
    kept = photos.without_selfie(turn.draft) if "card_photo" in answers else turn.draft
    draft = {**kept, **answers}
    return Go(FLOW.next_step(draft), draft, replies)


def _text(turn: Turn) -> str:
    """What was typed; refused where a button of another screen was pressed instead."""
    if turn.inbound.text is None:
        raise DomainError("common.need_text")
    return turn.inbound.text


# --- language, privacy notice and consent: one screen


def _ask_language(turn: Turn) -> Say:
    english = Choice("!language_en", "registration.language_en")
    indonesian = Choice("!language_id", "registration.language_id")
    return Say(
        "registration.welcome",
        choices=(
            Choice("agree", "registration.consent_agree"),
            Choice("!privacy", "registration.consent_read"),
            english if turn.language == "id" else indonesian,
        ),
    )


def _take_language(turn: Turn) -> Outcome:
    if pressed(turn) != "agree":
        raise DomainError("registration.consent_needed")
    seen = i18n.text(turn.language, "registration.welcome") + "\n" + i18n.text(turn.language, "privacy.notice")

    async def action() -> Done:
        channel = turn.inbound.channel
        await record_consent(turn.conversation_id, "registration", seen, turn.language, channel, turn.now)
        agreed = _on(turn, consent=turn.now.isoformat(), notice=NOTICE_VERSION)
        if not turn.inbound.sender_phone or agreed.step != "registration.phone":
            return agreed
        # The platform vouches for the number, so that nobody is asked for it.
        known = msgspec.structs.replace(turn, draft=agreed.draft)
        return await _proven(known, rules.read_phone(turn.inbound.sender_phone)).action()

    return Act(action)


# --- phone


def _ask_phone(turn: Turn) -> Say:
    if turn.inbound.channel == Channel.TELEGRAM:
        return Say("registration.ask_phone_telegram", ask="contact")
    own = turn.inbound.sender_phone
    mine = (Choice("mine", "registration.phone_mine", {"phone": rules.mask_phone(own)}),) if own else ()
    return Say("registration.ask_phone", choices=mine)


def _take_phone(turn: Turn) -> Outcome:
    contact = turn.inbound.contact
    if pressed(turn) == "mine" and turn.inbound.sender_phone:
        return _proven(turn, rules.read_phone(turn.inbound.sender_phone))
    if contact is None and turn.inbound.channel == Channel.TELEGRAM:
        raise DomainError("registration.phone_use_button")
    if contact is None:
        phone = rules.read_phone(_text(turn))
    elif not contact.phone:
        raise DomainError("registration.phone_not_yours")
    else:
        # A platform gives its numbers in international form, with or without the plus.
        phone = rules.read_phone(f"+{contact.phone.lstrip('+')}" if contact.proven else contact.phone)
        if contact.proven:
            return _proven(turn, phone)
    return send_code(turn, Channel.SMS, phone, "registration.phone_code", {**turn.draft, "phone": phone})


def _proven(turn: Turn, phone: str) -> Act:
    async def action() -> Done:
        earlier = await prove_phone(turn.conversation_id, phone)
        if earlier is not None:
            return Resume(earlier, (Say("registration.welcome_back"),))
        return _on(turn, phone=phone, phone_ok=True)

    return Act(action)


def _ask_phone_code(turn: Turn) -> Say:
    return Say(
        "registration.ask_phone_code",
        {"phone": rules.mask_phone(turn.draft["phone"]), "minutes": turn.programme.codes.minutes},
        (Choice("again", "code.again"), Choice("!back", "registration.phone_other")),
    )


def _take_phone_code(turn: Turn) -> Outcome:
    phone: str = turn.draft["phone"]
    if pressed(turn) == "again":
        return send_code(turn, Channel.SMS, phone, "registration.phone_code", turn.draft)
    code = rules.read_code(_text(turn))

    async def action() -> Done:
        right = await check_code(turn.conversation_id, Channel.SMS, phone, code, turn.programme.codes, turn.now)
        if not right:
            return Stay((Say("code.wrong", choices=_ask_phone_code(turn).choices),))
        return await _proven(turn, phone).action()

    return Act(action)


# --- ID card, selfie and turned head: see photos.py, card.py and kyc.py


def _ask_card(turn: Turn) -> Say:
    if "proposed" in turn.draft:
        return card.ask(turn)
    return Say("registration.ask_card_photo", choices=photos.elsewhere(turn), ask="photo")


def _take_card(turn: Turn) -> Outcome:
    if turn.inbound.photo is None and "proposed" in turn.draft:
        return card.take(turn, _on)
    return photos.take_card(turn)


def _ask_selfie(turn: Turn) -> Say:
    if "kyc" in turn.draft:
        return kyc.ask(turn)
    vouched = (Choice("kyc", "kyc.button"),) if kyc.offered(turn) else ()
    return Say("registration.ask_selfie", choices=(*vouched, *photos.elsewhere(turn)), ask="photo")


def _take_selfie(turn: Turn) -> Outcome:
    choice = pressed(turn)
    if choice == "new_card":
        return Go("registration.card_photo", without(turn.draft, *photos.ABOUT_CARD))
    if choice is not None:
        return kyc.take(turn, choice)
    return photos.take_selfie(turn)


# --- NIK, name, birth date, KK


def _ask_nik(turn: Turn) -> Say:
    return Say("registration.ask_nik")


def _take_nik(turn: Turn) -> Outcome:
    nik = rules.read_nik(_text(turn), regions.provinces())
    return _on(turn, nik=nik.number)


def _ask_name(turn: Turn) -> Say:
    return Say("registration.ask_name")


def _take_name(turn: Turn) -> Outcome:
    return _on(turn, name=rules.read_name(_text(turn)))


def _likely_birth_date(turn: Turn) -> date | None:
    nik = nik_of(turn.draft["nik"])
    today = turn.today
    return rules.likely_birth_date(nik, today, turn.programme.eligibility_on(today))


def _ask_birth_date(turn: Turn) -> Say:
    likely = _likely_birth_date(turn)
    if likely is None:
        return Say("registration.ask_birth_date")
    born = {"birth_date": likely.isoformat()}
    return Say("registration.ask_birth_date_likely", born, (Choice("yes", "registration.birth_date_yes", born),))


def _take_birth_date(turn: Turn) -> Outcome:
    likely, today = _likely_birth_date(turn), turn.today
    born = likely if pressed(turn) == "yes" and likely else rules.read_birth_date(_text(turn), today)
    rules.check_age(born, today, turn.programme.eligibility_on(today))
    differs = born not in nik_of(turn.draft["nik"]).dates()
    replies = (Say("registration.birth_date_differs"),) if differs else ()
    return _on(turn, *replies, birth_date=born.isoformat())


def _ask_kk(turn: Turn) -> Say:
    return Say("registration.ask_kk")


def _take_kk(turn: Turn) -> Outcome:
    return _on(turn, kk=rules.read_kk(_text(turn), turn.draft["nik"], regions.provinces()))


# --- region and address


def _region_choices(turn: Turn) -> tuple[Choice, ...]:
    codes = turn.draft.get("region_options")
    if codes is None:
        home = regions.district(turn.draft["nik"][:6])
        codes = [home.code] if home else []
    found = [region for code in codes if (region := regions.district(code))]
    return tuple(Choice(region.code, "registration.region_choice", {"region": region.path}) for region in found)


def _ask_region(turn: Turn) -> Say:
    choices = _region_choices(turn)
    if turn.draft.get("region_options"):
        return Say("registration.region_which", choices=choices)
    if not choices:
        return Say("registration.ask_region")
    likely = msgspec.structs.replace(choices[0], id="yes")
    return Say("registration.ask_region_likely", choices=(likely,))


def _take_region(turn: Turn) -> Outcome:
    code = pressed(turn)
    if code == "yes":
        code = turn.draft["nik"][:6]
    if code is None:
        found = regions.find(rules.clean(_text(turn))[:100])
        if not found:
            raise DomainError("registration.region_unknown")
        if len(found) > 1:
            return Stay(draft={**turn.draft, "region_options": [region.code for region in found]}, again=True)
        code = found[0].code
    region = regions.district(code)
    if region is None:
        raise DomainError("registration.region_unknown")
    draft = {**without(turn.draft, "region_options"), "region": region.code}
    return Go(FLOW.next_step(draft), draft)


def _ask_address(turn: Turn) -> Say:
    return Say("registration.ask_address")


def _take_address(turn: Turn) -> Outcome:
    return _on(turn, address=rules.read_address(_text(turn)))


# --- education, employment, interest: one press each


_Listed: TypeAlias = type[Education] | type[Employment] | type[Interest]


def _choices(field: str, values: _Listed) -> tuple[Choice, ...]:
    return tuple(Choice(value.value, f"{field}.{value}") for value in values)


def _chosen(turn: Turn, values: _Listed) -> str:
    """The value whose button was pressed; refused where it was none of them."""
    choice = pressed(turn)
    if choice not in {value.value for value in values}:
        raise DomainError("common.choose")
    return str(choice)


def _ask_education(turn: Turn) -> Say:
    still = Choice("in_education", "education.in_education")
    return Say("registration.ask_education", choices=(*_choices("education", Education), still))


def _take_education(turn: Turn) -> Outcome:
    if pressed(turn) == "in_education":
        raise DomainError("registration.in_education")
    return _on(turn, education=_chosen(turn, Education), in_education=False)


def _ask_employment(turn: Turn) -> Say:
    return Say("registration.ask_employment", choices=_choices("employment", Employment))


def _take_employment(turn: Turn) -> Outcome:
    employment = _chosen(turn, Employment)
    rules.check_employment(employment, turn.programme.eligibility_on(turn.today))
    return _on(turn, employment=employment)


def _ask_interest(turn: Turn) -> Say:
    return Say("registration.ask_interest", choices=_choices("interest", Interest))


def _take_interest(turn: Turn) -> Outcome:
    return _on(turn, interest=_chosen(turn, Interest))


# --- summary, declaration and joining: one screen

# What can be corrected, each with the draft's fields that are asked again.
CORRECTABLE = {
    "nik": ("nik",),
    "name": ("name",),
    "birth_date": ("birth_date",),
    "kk": ("kk",),
    "region": ("region",),
    "address": ("address",),
    "education": ("education", "in_education"),
    "employment": ("employment",),
    "interest": ("interest",),
    "phone": ("phone", "phone_ok"),
    "photos": photos.ABOUT_CARD,
}


def _ask_summary(turn: Turn) -> Say:
    if turn.draft.get("correcting"):
        fields = tuple(Choice(f"fix_{name}", f"registration.fix_{name}") for name in CORRECTABLE)
        if turn.person_id is not None:
            fields += (Choice("fix_other", "privacy.correct_other_button"),)
        return Say("registration.fix_which", choices=(*fields, Choice("!back", "registration.fix_none")))
    draft = turn.draft
    region = regions.district(draft["region"])
    params = {
        "nik": f"{draft['nik'][:6]} {draft['nik'][6:12]} {draft['nik'][12:]}",
        "name": draft["name"],
        "birth_date": draft["birth_date"],
        "kk": f"{draft['kk'][:6]} {draft['kk'][6:12]} {draft['kk'][12:]}",
        "region": region.path if region else draft["region"],
        "address": draft["address"],
        "phone": rules.mask_phone(draft["phone"]),
        "education_label": f"education.{draft['education']}",
        "employment_label": f"employment.{draft['employment']}",
        "interest_label": f"interest.{draft['interest']}",
    }
    join, fix = Choice("join", "registration.summary_join"), Choice("fix", "registration.summary_fix")
    return Say("registration.summary", params, (join, fix))


def _warnings(turn: Turn) -> list[str]:
    nik = nik_of(turn.draft["nik"])
    born = date.fromisoformat(turn.draft["birth_date"])
    printed = turn.draft.get("reading", {}).get("sex") or turn.draft.get("card_sex") or nik.sex
    return nik_warnings(nik, born, known_region=regions.knows(nik.region), sex=Sex(printed))


def _take_summary(turn: Turn) -> Outcome:
    choice = pressed(turn) or ""
    if choice == "fix":
        return Stay(draft={**turn.draft, "correcting": True}, again=True)
    if choice == "fix_other" and turn.person_id is not None:
        return Go("privacy.correct_write", {name: turn.draft[name] for name in KEPT_AFTERWARDS if name in turn.draft})
    if choice.startswith("fix_") and (fields := CORRECTABLE.get(choice.removeprefix("fix_"))):
        draft = without(turn.draft, "correcting", *fields)
        return Go(FLOW.next_step(draft), draft)
    if choice != "join":
        raise DomainError("common.choose")
    return Act(lambda: _register_and_join(turn))


async def _register_and_join(turn: Turn) -> Done:
    nik = nik_of(turn.draft["nik"])
    answers = msgspec.convert({**turn.draft, "sex": nik.sex.value, "warnings": _warnings(turn)}, Answers, strict=False)
    if answers.kk == answers.nik:
        raise DomainError("registration.kk_is_nik")
    await note_try(turn.conversation_id, answers.nik, turn.now)
    if not await _identified(turn, answers):
        return Go("registration.selfie", photos.without_selfie(turn.draft))
    declaration = i18n.text(turn.language, "registration.declaration")
    await record_consent(
        turn.conversation_id, "declaration", declaration, turn.language, turn.inbound.channel, turn.now
    )
    person_id = await register(turn.conversation_id, turn.person_id, answers, turn.now)
    if "reading" in turn.draft or turn.draft.get("misread"):
        await record_answers(answers.card_photo, *card.confirmed_and_corrected(turn.draft))
    await ask_for_verification(person_id, turn.now)
    kept = {name: turn.draft[name] for name in KEPT_AFTERWARDS if name in turn.draft}
    if turn.person_id is not None:
        await note_request(RequestKind.CORRECT, turn.conversation_id, person_id, turn.now)
        return Go("home.menu", kept, (Say("registration.corrected"),))
    if await current_wave(turn.now) is None:
        return Go("home.menu", kept, (Say("registration.registered_no_wave"),))
    return await join_wave(turn, person_id, kept, "registration.joined")


async def _identified(turn: Turn, answers: Answers) -> bool:
    """Whether the faces were found alike, or a partner vouches for the NIK that is given now."""
    if answers.kyc_reference is not None:
        return await vouches_for(answers.kyc_reference, turn.conversation_id, answers.nik)
    if answers.selfie is None:
        return False
    return await faces_agree(turn.conversation_id, answers.card_photo, answers.selfie)


def _outcome(turn: Turn) -> Outcome:
    match turn.inbound.outcome:
        case PhotoOutcome() as outcome:
            return photos.take_outcome(turn, outcome, _on)
        case KycOutcome(reference_id):
            return kyc.take_statement(turn, reference_id, _on)
        case _:
            return Stay()  # said again by STATUS, when the answers that are being corrected are in


def _status(turn: Turn) -> Outcome:
    asked = [step for step in FLOW.steps if step.fills]
    done = sum(all(name in turn.draft for name in step.fills) for step in asked)
    step = FLOW.by_name[turn.step]
    status = Say("registration.status", {"done": done, "total": len(asked)})
    return Stay((status, step.prompt(turn)))


# What the menu remembers, through a correction of the answers too.
KEPT_AFTERWARDS = ("ticket", "wave", "email_ok", "notice")

_PHOTO = frozenset({"photo", "choice"})
FLOW = Flow(
    "registration",
    (
        Step("registration.language", _ask_language, _take_language, fills=("consent",), final=True,
             needs="registration.consent_needed"),
        Step("registration.phone", _ask_phone, _take_phone, frozenset({"text", "choice", "contact"}), ("phone",),
             needs="registration.phone_not_digits"),
        Step("registration.phone_code", _ask_phone_code, _take_phone_code, fills=("phone_ok",), final=True,
             needs="registration.code_unreadable"),
        Step("registration.card_photo", _ask_card, _take_card, _PHOTO | {"text"}, ("card_photo",),
             needs="photo.need_card", inner=("card_wrong", "proposed"), match_parts=False),
        Step("registration.nik", _ask_nik, _take_nik, fills=("nik",), needs="registration.nik_not_digits"),
        Step("registration.name", _ask_name, _take_name, fills=("name",)),
        Step("registration.birth_date", _ask_birth_date, _take_birth_date, fills=("birth_date",), match_parts=False),
        Step("registration.kk", _ask_kk, _take_kk, fills=("kk",), needs="registration.kk_not_digits"),
        Step("registration.region", _ask_region, _take_region, fills=("region",), inner=("region_options",),
             match_parts=False),
        Step("registration.address", _ask_address, _take_address, fills=("address",)),
        Step("registration.education", _ask_education, _take_education, fills=("education", "in_education"),
             needs="common.choose"),
        Step("registration.employment", _ask_employment, _take_employment, fills=("employment",),
             needs="common.choose"),
        Step("registration.interest", _ask_interest, _take_interest, fills=("interest",), needs="common.choose"),
        Step("registration.selfie", _ask_selfie, _take_selfie, _PHOTO, ("selfie",), needs="photo.need_selfie",
             inner=("kyc",)),
        Step("registration.turned", photos.ask_turned, photos.take_turned, _PHOTO, ("turned",),
             needs="photo.need_selfie"),
        Step("registration.summary", _ask_summary, _take_summary, needs="common.choose", inner=("correcting",)),
    ),
    _status,
    _outcome,
)  # fmt: skip
