"""/periksa: one case after the other, with photos and what the machine saw; a digit or a button decides."""

from datetime import timedelta
from typing import Any

from domain import regions
from domain.audit import record
from domain.errors import DomainError
from domain.staff.rules import Permission
from domain.trainings import reviews
from domain.verification.actions import layers, review
from domain.verification.rules.review import TWO_TO_REJECT
from handlers import i18n
from handlers.conversation import Act, Choice, Done, File, Go, Outcome, Say, Step, Turn, pressed
from handlers.conversations.staff import door
from handlers.conversations.staff.home import MENU
from models.conversation import Conversation
from models.enums import Decision, Layer
from models.person import FaceCheck, Person, TurnCheck
from models.verification import CardReading, RegistryAnswer, ReviewCase

WHY = ("nik_known", "phone_reused", "card_reused", "appeal")  # beside the reasons of layers
CANNED = ("photo_unclear", "other_person", "not_a_card", "data_differ")
MOST_OTHERS = 2
WEEK = timedelta(days=7)


def come_in(turn: Turn) -> Outcome:
    """The next case."""
    return Act(lambda: _next(turn, []))


async def _next(turn: Turn, passed: list[int], *replies: Say) -> Done:
    member = turn.staff
    assert member is not None
    case = await review.next_case(member.name, member.regions, passed, turn.now)
    if case is not None:
        return Go("staff.case", {"case": case.id, "passed": passed, **door.as_view(await _case(case))}, replies)
    if not member.regions and (certificates := await reviews.open_certificates()):
        return await _certificate(turn, certificates[0].id, passed, replies)
    done = Say("staff.no_cases", choices=(Choice("reviewers", "staff.reviewers_button"), MENU))
    return Go("staff.case", {"case": 0, "passed": [], **door.as_view(done)}, replies)


async def _case(case: ReviewCase) -> Say:
    people = [case.person_id, *(int(number) for number in case.others.split(",") if number)][: 1 + MOST_OTHERS]
    lines: list[list[Any]] = []
    files: list[File] = []
    for at, number in enumerate(people):
        person = await Person.get_or_none(id=number)
        if person is not None:
            lines += _data(person, first=not at)
            lines += await _seen(person)
            files += [
                File("photo", photo, f"{name}.jpg", f"{name} {number}" if at else name)
                for name, photo in (
                    ("KTP", person.card_photo_id),
                    ("selfie", person.selfie_photo_id),
                    ("selfie 2", person.turned_photo_id),
                )
                if photo and (name != "selfie 2" or not at)
            ]
    votes = await review.votes_on(case.id)
    lines += [
        ["staff.vote_line", {"by": vote.staff, "decision_label": f"staff.decision_{vote.decision}"}] for vote in votes
    ]
    layer = Layer(case.layer)
    if layer in TWO_TO_REJECT:
        lines.append(["staff.two_to_reject", {}])
    buttons = ["accept", "reject", *(["new_photo"] if layer in review.ABOUT_PHOTOS and not case.hidden else []), "pass"]
    why = f"staff.why_{case.reason}" if case.reason in WHY else f"staff.why_{layer.value}"
    params = {
        "number": case.id,
        "left": await review.waiting_count(),
        "layer_label": f"layer.name_{layer.value}",
        "why_label": why,
        "case_lines": lines,
    }
    return Say(
        "staff.case", params, (*(Choice(name, f"staff.decide_{name}") for name in buttons), MENU), files=tuple(files)
    )


def _data(person: Person, *, first: bool) -> list[list[Any]]:
    region = regions.district(person.region_code)
    params = {
        "name": person.name,
        "nik": f"{person.nik[:6]} {person.nik[6:12]} {person.nik[12:]}",
        "birth_date": person.birth_date,
        "sex_label": f"staff.sex_{person.sex}",
        "home": region.path if region else person.region_code,
        "warnings": person.warnings.replace(",", ", ") or "-",
    }
    return [["staff.case_data" if first else "staff.case_other", params]]


async def _seen(person: Person) -> list[list[Any]]:
    """What the machine saw."""
    lines: list[list[Any]] = []
    check = await FaceCheck.filter(selfie_photo_id=person.selfie_photo_id or "-").order_by("-id").first()
    if check is not None:
        score = [] if check.score is None else [["staff.saw_score", {"score_decimal": 100 * check.score}]]
        lines += [["staff.saw_face", {"verdict_label": f"staff.verdict_{check.verdict}"}], *score]
    turned = await TurnCheck.filter(turned_photo_id=person.turned_photo_id or "-").order_by("-id").first()
    if turned is not None:
        lines.append(["staff.saw_turn", {"verdict_label": f"staff.verdict_{turned.verdict}"}])
    reading = await CardReading.filter(photo_id=person.card_photo_id or "-").first()
    if reading is not None:
        key = (
            "staff.saw_no_nik"
            if reading.nik_index is None
            else "staff.saw_nik"
            if bytes(reading.nik_index) == bytes(person.nik_index)
            else "staff.saw_other_nik"
        )
        lines.append([key, {}])
    registry = await RegistryAnswer.filter(person_id=person.id).first()
    if registry is not None:
        lines.append(["staff.saw_registry", {"answer": registry.answer.replace(",", ", ")}])
    return lines


def take(turn: Turn) -> Outcome:
    """A decision, and the next case follows at once."""
    choice, number, passed = pressed(turn) or "", turn.draft["case"], turn.draft["passed"]
    member = turn.staff
    assert member is not None
    if choice == "reviewers":
        return Act(lambda: _reviewers(turn))
    if not number or choice == "next":
        return come_in(turn)
    match choice:
        case "reject":
            return Go("staff.case_write", turn.draft)
        case "pass":

            async def on() -> Done:
                await review.pass_on(number, member.name, turn.now)
                return await _next(turn, [*passed, number][-20:])

            return Act(on)
        case "accept" | "new_photo":
            return Act(lambda: _decide(turn, Decision(choice), ""))
    raise DomainError("staff.choose")


async def _decide(turn: Turn, decision: Decision, words: str) -> Done:
    number, member = turn.draft["case"], turn.staff
    assert member is not None
    case = await ReviewCase.get(id=number).prefetch_related("person")
    if not member.covers(case.person.region_code):  # their provinces may have changed while it was before them
        raise DomainError("staff.other_region")
    settled = await layers.decide(number, member.name, decision, words, turn.now)
    key = "staff.decided" if settled is not None else "staff.second_needed"
    return await _next(
        turn, turn.draft["passed"], Say(key, {"number": number, "decision_label": f"staff.decision_{decision.value}"})
    )


def ask_words(turn: Turn) -> Say:
    """Why, in words for the person: ready ones, or typed."""
    ready = tuple(Choice(name, f"review.words_{name}") for name in CANNED)
    return Say("staff.ask_words", choices=(*ready, Choice("!back", "staff.back_button")))


def take_words(turn: Turn) -> Outcome:
    """The words, in the person's language where they are ready ones."""
    name, typed = pressed(turn), " ".join((turn.inbound.text or "").split())[:300]
    if name not in CANNED and len(typed) < 5:
        raise DomainError("staff.no_words")

    async def action() -> Done:
        case = await ReviewCase.get(id=turn.draft["case"])
        talk = await Conversation.filter(person_id=case.person_id).order_by("-updated_at").first()
        words = i18n.text(talk.language if talk else "id", f"review.words_{name}") if name in CANNED else typed
        return await _decide(turn, Decision.REJECT, words)

    return Act(action)


# --- certificates


async def _certificate(turn: Turn, number: int, passed: list[int], replies: tuple[Say, ...]) -> Done:
    check = await reviews.certificate_numbered(number)
    assert turn.staff is not None
    await record(turn.staff.name, "certificate.opened", f"certificate:{number}", now=turn.now)
    training = check.purchase.training
    params = {
        "number": number,
        "name": check.purchase.person.name,
        "training": training.title,
        "provider": training.provider.name,
    }
    buttons = tuple(Choice(each, f"staff.decide_{each}") for each in ("accept", "reject"))
    files = (File("photo", check.photo_id, "sertifikat.jpg"),)
    screen = Say("staff.certificate", params, (*buttons, MENU), files=files)
    return Go("staff.certificate", {"certificate": number, "passed": passed, **door.as_view(screen)}, replies)


def take_certificate(turn: Turn) -> Outcome:
    """Accepted, or what is wrong with it."""
    if pressed(turn) == "reject":
        return Go("staff.certificate_write", turn.draft)
    if pressed(turn) != "accept":
        raise DomainError("staff.choose")
    return Act(lambda: _decide_certificate(turn, accept=True, words=""))


async def _decide_certificate(turn: Turn, *, accept: bool, words: str) -> Done:
    number, member = turn.draft["certificate"], turn.staff
    assert member is not None
    await reviews.decide_certificate(number, accept=accept, words=words, by=member.name, now=turn.now)
    decision = Decision.ACCEPT if accept else Decision.REJECT
    return await _next(
        turn,
        turn.draft["passed"],
        Say("staff.decided", {"number": number, "decision_label": f"staff.decision_{decision.value}"}),
    )


def ask_certificate_words(turn: Turn) -> Say:
    """What is wrong with it."""
    return Say("staff.ask_words", choices=(Choice("!back", "staff.back_button"),))


def take_certificate_words(turn: Turn) -> Outcome:
    """Typed words to the person."""
    typed = " ".join((turn.inbound.text or "").split())[:300]
    if len(typed) < 5:
        raise DomainError("staff.no_words")
    return Act(lambda: _decide_certificate(turn, accept=False, words=typed))


# --- how the reviewers do


async def _reviewers(turn: Turn) -> Done:
    lines = [
        [
            "staff.reviewer_line",
            {
                "name": each.name,
                "votes_number": each.votes,
                "seconds": round(each.seconds),
                "agreed_decimal": 100 * each.agreed / each.settled if each.settled else 0.0,
            },
        ]
        for each in await review.reviewers(turn.now - WEEK)
    ]
    screen = Say(
        "staff.reviewers",
        {"reviewer_lines": lines or [["staff.nothing", {}]]},
        (Choice("next", "staff.next_case_button"), MENU),
    )
    return Go("staff.case", {"case": 0, "passed": [], **door.as_view(screen)})


_PERMISSION = Permission.REVIEW
STEPS = (
    Step("staff.case", door.drawn, take, accepts=frozenset({"choice"}), needs="staff.choose", permission=_PERMISSION),
    Step(
        "staff.case_write",
        ask_words,
        take_words,
        permission=_PERMISSION,
        back=lambda turn: Go("staff.case", turn.draft),
    ),
    Step(
        "staff.certificate",
        door.drawn,
        take_certificate,
        accepts=frozenset({"choice"}),
        needs="staff.choose",
        permission=_PERMISSION,
    ),
    Step(
        "staff.certificate_write",
        ask_certificate_words,
        take_certificate_words,
        permission=_PERMISSION,
        back=lambda turn: Go("staff.certificate", turn.draft),
    ),
)
