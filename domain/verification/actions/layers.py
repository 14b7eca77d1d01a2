"""Looking at a person's layers: gathering facts, keeping outcomes, opening cases. Verbs save; they never commit."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta

import msgspec
from tortoise.backends.base.client import BaseDBAsyncClient

from domain.clock import day_of
from domain.errors import DomainError
from domain.notices.rules import window_open
from domain.ports import FaceFacts, Identity
from domain.programme import Programme
from domain.verification.actions import lists, review
from domain.verification.rules import layers as rules
from domain.verification.rules.faces import portrait_problem
from domain.verification.rules.layers import Facts, Verdict
from models import crypto, trace
from models.conversation import Address, Conversation
from models.enums import Channel, Decision, Employment, FaceVerdict, Layer, LayerState, Match
from models.person import FaceCheck, Person, Photo
from models.staff import Assisted
from models.verification import CardReading, KycReference, LayerOutcome, RegistryAnswer, ReviewCase, VerificationTask

LEASE = timedelta(minutes=2)
LONGEST_WAIT = timedelta(hours=1)


async def ask_for_verification(person_id: int, now: datetime) -> None:
    """Let a person's layers be looked at (again): something they rest on has come or changed.

    Not while they have taken their consent back.
    """
    if await Person.filter(id=person_id, withdrawn_at__isnull=False).exists():
        return
    if await VerificationTask.filter(person_id=person_id).exists():
        task = await VerificationTask.filter(person_id=person_id).select_for_update().get()
        task.asked, task.due_at, task.attempts, task.trace = task.asked + 1, now, 0, trace.current()
        await task.save(update_fields=["asked", "due_at", "attempts", "trace"])
        return
    await VerificationTask.create(person_id=person_id, due_at=now)


async def claim_verification(now: datetime) -> VerificationTask | None:
    """Take the person who has waited longest; another worker may have them again when the lease runs out."""
    while True:
        task = await VerificationTask.filter(due_at__lte=now).order_by("due_at").first()
        if task is None:
            return None
        # The old due time in the condition is what two workers race for: only one of them changes a row.
        claimed = await VerificationTask.filter(person_id=task.person_id, due_at=task.due_at).update(
            due_at=now + LEASE, attempts=task.attempts + 1
        )
        if claimed:
            task.attempts += 1
            return task


async def finish_verification(task: VerificationTask, now: datetime, *, complete: bool) -> None:
    """Note how far the work has come; what was asked for meanwhile, or could not be completed, stays due."""
    if not complete:
        wait = min(timedelta(seconds=5 * 2 ** min(task.attempts, 12)), LONGEST_WAIT)
        await VerificationTask.filter(person_id=task.person_id, asked=task.asked).update(due_at=now + wait)
        return
    await VerificationTask.filter(person_id=task.person_id, asked=task.asked).update(
        done=task.asked, due_at=None, attempts=0
    )


async def still_asked(task: VerificationTask) -> bool:
    """Whether nobody has asked for another look since the task was claimed; locks it until the transaction ends."""
    row = await VerificationTask.filter(person_id=task.person_id).select_for_update().get()
    return bool(row.asked == task.asked)


def identity_of(person: Person) -> Identity:
    """What the civil registry is asked about a person."""
    return Identity(person.nik, person.kk, person.name, date.fromisoformat(person.birth_date))


def _identity_evidence(person: Person) -> bytes:
    asked = (person.nik, person.kk, person.name, person.birth_date)
    return crypto.ring().index("registry", "\0".join(asked))


async def registry_answer(person: Person) -> Mapping[str, Match] | None:
    """What the registry said of exactly these data; None where it has to be asked."""
    row = await RegistryAnswer.filter(person_id=person.id, evidence=_identity_evidence(person)).first()
    if row is None:
        return None
    return {name: Match(said) for name, _, said in (item.partition("=") for item in row.answer.split(","))}


async def keep_registry_answer(person: Person, answer: Mapping[str, Match], now: datetime) -> None:
    """Keep what the registry said, so that the same question is asked once."""
    said = ",".join(f"{name}={answer.get(name, Match.UNKNOWN).value}" for name in rules.REGISTRY_FIELDS)
    await RegistryAnswer.update_or_create(
        person_id=person.id, defaults={"evidence": _identity_evidence(person), "answer": said, "answered_at": now}
    )


async def conversation_of(person_id: int) -> int | None:
    """The conversation in which a person is told things: the one used last."""
    row = await Conversation.filter(person_id=person_id).order_by("-updated_at").first()
    return None if row is None else row.id


async def _gather(db: BaseDBAsyncClient, person: Person, twins: tuple[int, ...] | None) -> Facts:
    ring = crypto.ring()
    proven = await Conversation.filter(person_id=person.id, phone_index=person.phone_index).exists()
    check = await FaceCheck.filter(
        card_photo_id=person.card_photo_id, selfie_photo_id=person.selfie_photo_id, conversation__person_id=person.id
    ).first()
    # Staff saw the person and their card: another member of staff looks at that instead of a selfie.
    assisted = person.selfie_photo_id is None and await assisted_by(person.id) is not None
    reference = await KycReference.filter(id=person.kyc_reference_id, nik_index=person.nik_index).first()
    return Facts(
        nik=person.nik,
        kk=person.kk,
        name=person.name,
        birth_date=date.fromisoformat(person.birth_date),
        warnings=tuple(name for name in person.warnings.split(",") if name),
        phone_proven=proven or assisted,
        email_proven=person.email is not None,
        education=person.education,
        employment=Employment(person.employment),
        registry=await registry_answer(person),
        selfie=person.selfie_photo_id,
        face=FaceVerdict(check.verdict) if check else FaceVerdict.REVIEW if assisted else None,
        turned=bool(person.selfie_photo_id and person.turned_photo_id),
        attested=reference is not None,
        card=await _card(person),
        twins=twins,
        excluded=await lists.excluded_by(db, person.nik_index),
        served=await lists.served(db, ring.index("kk", person.kk)),
    )


async def assisted_by(person_id: int) -> str | None:
    """Who registered somebody that has no phone; None for those who did it themselves."""
    talks = [row.id for row in await Conversation.filter(person_id=person_id).only("id")]
    row = await Assisted.filter(conversation_id__in=talks).first()
    return row.by if row else None


async def _card(person: Person) -> Match:
    """Whether the card says the NIK that the person gives; unknown where it could not be read."""
    reading = await CardReading.filter(photo_id=person.card_photo_id).first()
    if reading is None or reading.nik_index is None:
        return Match.UNKNOWN
    return Match.MATCH if bytes(reading.nik_index) == person.nik_index else Match.MISMATCH


async def card_proves_nothing(person_id: int) -> bool:
    """Whether another selfie would not help: the card's photo lacks a portrait, or does not say the person's NIK."""
    person = await Person.get(id=person_id)
    photo = await Photo.filter(id=person.card_photo_id).first()
    poor = photo is not None and portrait_problem(msgspec.json.decode(photo.facts, type=FaceFacts))
    return bool(poor) or await _card(person) != Match.MATCH


async def verify(
    db: BaseDBAsyncClient, person: Person, twins: tuple[int, ...] | None, programme: Programme, now: datetime
) -> dict[Layer, Verdict]:
    """Judge all layers of a person on what is known now, keep what changed and open cases; gives the verdicts.

    ``twins``: other people whose face is this alike, None while nobody has looked.
    """
    today = day_of(now)
    asked, eligibility = programme.layers_on(today), programme.eligibility_on(today)
    facts = await _gather(db, person, twins)
    seen = {layer: crypto.ring().index("evidence", rules.evidence(layer, facts)) for layer in Layer}
    cases = await review.cases_of(person.id)
    decisions = {layer: said for layer in Layer if (said := review.decision_on(cases, layer, seen[layer]))}
    verdicts = rules.judge(facts, today, eligibility, asked, decisions)
    await _keep(person.id, verdicts, seen, programme.version, now)
    searched = {layer: digest for layer, digest in seen.items() if layer != Layer.UNIQUE or twins is not None}
    await review.drop_cases(cases, searched, now)
    for layer, verdict in verdicts.items():
        if verdict.state == LayerState.REVIEW:
            others = twins or () if layer == Layer.UNIQUE else ()
            await review.open_case(person.id, layer, verdict.reason, seen[layer], now, others=others)
    await _open_signals(person, now)
    return verdicts


async def _keep(
    person_id: int, verdicts: Mapping[Layer, Verdict], seen: Mapping[Layer, bytes], version: str, now: datetime
) -> None:
    current = {row.layer: row for row in await current_outcomes(person_id)}
    for layer, verdict in verdicts.items():
        row = current.get(layer)
        same = (verdict.state, verdict.reason, verdict.detail, version, seen[layer])
        if row is not None:
            if same == (row.state, row.reason, row.detail, row.rules, bytes(row.evidence)):
                continue
            await LayerOutcome.filter(id=row.id).update(replaced_at=now)
        await LayerOutcome.create(
            person_id=person_id,
            layer=layer,
            state=verdict.state,
            reason=verdict.reason,
            detail=verdict.detail,
            rules=version,
            evidence=seen[layer],
            decided_at=now,
        )


async def _open_signals(person: Person, now: datetime) -> None:
    """Things that staff should see and no layer shows: one NIK, phone or card photo on several registrations."""
    photo = await Photo.filter(id=person.card_photo_id).first() if person.card_photo_id else None
    alike = [same.id for same in await Photo.filter(sha256=photo.sha256).only("id")] if photo else []
    signals = {
        "nik_known": Person.filter(nik_index=person.nik_index),
        "phone_reused": Person.filter(phone_index=person.phone_index),
        "card_reused": Person.filter(card_photo_id__in=alike),
    }
    for reason, people in signals.items():
        others = [other.id for other in await people.exclude(id=person.id).order_by("id").only("id")]
        if others:
            evidence = crypto.ring().index("signal", f"{reason}:{others}")
            await review.open_case(person.id, Layer.UNIQUE, reason, evidence, now, others=others, hidden=True)


async def decide(case_id: int, staff: str, decision: Decision, words: str, now: datetime) -> Decision | None:
    """Record what a member of staff decided (see review.vote); once it is settled, the layers are judged again."""
    case = await ReviewCase.get_or_none(id=case_id)
    if case is not None and await review.had_a_hand(case.person_id, staff):  # four eyes
        raise DomainError("staff.voted_before")
    settled = await review.vote(case_id, staff, decision, words, now)
    if settled is not None:
        await ask_for_verification((await ReviewCase.get(id=case_id)).person_id, now)
    return settled


async def news_for(person_id: int) -> str:
    """What the person has to hear of: a layer that failed or waits for them, a case that staff settled; "" for nothing.

    The same news has the same text.
    """
    rows = await current_outcomes(person_id)
    acts = [row.id for row in rows if row.state == LayerState.FAILED or row.reason == "layer.face_new_photo"]
    case = (
        await ReviewCase.filter(person_id=person_id, hidden=False, decision__isnull=False)
        .order_by("-closed_at")
        .first()
    )
    return f"{max(acts, default=0)}.{case.id if case else 0}" if acts or case else ""


async def out_of_reach(conversation_id: int, now: datetime) -> bool:
    """Whether the chat used last can't be written to freely now: a notice has to find another way."""
    conversation = await Conversation.get(id=conversation_id)
    address = await Address.get_or_none(id=conversation.last_address_id)
    if address is None or not address.reachable:
        return True
    return address.channel == Channel.WHATSAPP and not window_open(conversation.heard_at, now)


def as_told(outcomes: Sequence[LayerOutcome]) -> list[tuple[Layer, LayerState, str, LayerOutcome]]:
    """Outcomes as the person may hear of them: layer, state, reason, and the row.

    Whether a face is known is said only to whom it belongs: before that layer has passed, it waits like any other.
    """
    passed = any(row.layer == Layer.FACE and row.state == LayerState.PASSED for row in outcomes)
    told = []
    for row in outcomes:
        hidden = row.layer == Layer.UNIQUE and not passed
        state = LayerState.WAITING if hidden else LayerState(row.state)
        told.append((Layer(row.layer), state, "layer.unique_waiting" if hidden else row.reason, row))
    return told


async def current_outcomes(person_id: int) -> list[LayerOutcome]:
    """What each layer came to last."""
    return await LayerOutcome.filter(person_id=person_id, replaced_at=None).order_by("id")
