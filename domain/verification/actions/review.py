"""Cases for staff: opening, deciding, appealing. Verbs load, ask the rules and save; they never commit."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median

from tortoise.expressions import Q, Subquery

from domain.audit import record
from domain.errors import DomainError
from domain.verification.rules.review import decided
from models.enums import Decision, Layer, LayerState, TaskStatus
from models.staff import AuditEntry
from models.verification import LayerOutcome, ReviewCase, ReviewVote

ABOUT_PHOTOS = frozenset({Layer.FACE, Layer.UNIQUE})
LOOK = timedelta(minutes=15)  # so long a case is before one member of staff only
LOOKED_AT = 50


async def open_case(
    person_id: int,
    layer: Layer,
    reason: str,
    evidence: bytes,
    now: datetime,
    *,
    others: Iterable[int] = (),
    hidden: bool = False,
) -> None:
    """Ask staff to look; the same reason on the same evidence is one case, also when it was dropped in between."""
    case, new = await ReviewCase.get_or_create(
        person_id=person_id,
        layer=layer,
        reason=reason,
        evidence=evidence,
        appeal=False,
        defaults={
            "others": ",".join(str(number) for number in others)[:400],
            "hidden": hidden,
            "opened_at": now,
        },
    )
    if not new:
        await _reopen(case, now)


async def _reopen(case: ReviewCase, now: datetime) -> bool:
    """Open a case again that was closed undecided; whether it was."""
    dropped = ReviewCase.filter(id=case.id, status=TaskStatus.DONE, decision__isnull=True)
    return bool(await dropped.update(status=TaskStatus.PENDING, closed_at=None, opened_at=now))


async def votes_on(case_id: int) -> list[ReviewVote]:
    """What members of staff have decided on a case so far."""
    return await ReviewVote.filter(case_id=case_id).order_by("id")


async def next_case(staff: str, regions: Collection[str], passed: Collection[int], now: datetime) -> ReviewCase | None:
    """The case that waits longest of those this member of staff may decide, before nobody else for a quarter of an
    hour; None where there is none. ``regions``: provinces they work for (none: all), ``passed``: cases they passed on.
    """
    free = Q(locked_until__isnull=True) | Q(locked_until__lte=now) | Q(locked_by=staff)
    waiting = ReviewCase.filter(free, status=TaskStatus.PENDING).exclude(id__in=list(passed) or [0])
    if regions:
        theirs = Q()
        for code in regions:
            theirs |= Q(person__region_code__startswith=code)
        waiting = waiting.filter(theirs)
    waiting = waiting.exclude(id__in=Subquery(ReviewVote.filter(staff=staff).values("case_id")))
    after = 0
    while page := await waiting.filter(id__gt=after).order_by("id").limit(LOOKED_AT):
        after = page[-1].id
        if (case := await _first(page, staff, free, now)) is not None:
            return case
    return None


async def _first(page: list[ReviewCase], staff: str, free: Q, now: datetime) -> ReviewCase | None:
    """The first of these cases that this member of staff may decide, which is before them from now on."""
    for case in page:
        if await _voted(case, staff) or await had_a_hand(case.person_id, staff):
            continue
        if await ReviewCase.filter(free, id=case.id, status=TaskStatus.PENDING).update(
            locked_by=staff, locked_until=now + LOOK
        ):
            await record(staff, "case.opened", f"case:{case.id}", now=now)
            return await ReviewCase.get(id=case.id)
    return None


async def had_a_hand(person_id: int, staff: str) -> bool:
    """Whether a member of staff registered or corrected this person: another one decides on them."""
    theirs = AuditEntry.filter(subject=f"person:{person_id}", by=staff)
    return await theirs.filter(Q(action="person.assisted") | Q(action__startswith="person.corrected")).exists()


async def pass_on(case_id: int, staff: str, now: datetime) -> None:
    """Let somebody else decide a case."""
    await ReviewCase.filter(id=case_id, locked_by=staff).update(locked_by="", locked_until=None)
    await record(staff, "case.passed_on", f"case:{case_id}", now=now)


async def waiting_count() -> int:
    """Cases nobody has decided yet."""
    return await ReviewCase.filter(status=TaskStatus.PENDING).count()


@dataclass(frozen=True)
class Reviewer:
    """What one member of staff did: votes, the median of seconds a case, and how many of their votes on cases that are
    settled were what it came to.
    """

    name: str
    votes: int
    seconds: float
    agreed: int
    settled: int


async def reviewers(since: datetime) -> list[Reviewer]:
    """Everybody who voted since then, the busiest first."""
    found: dict[str, list[ReviewVote]] = {}
    for row in await ReviewVote.filter(voted_at__gte=since).prefetch_related("case"):
        found.setdefault(row.staff, []).append(row)
    counted = [
        Reviewer(
            name,
            len(votes),
            median([row.seconds for row in votes if row.seconds is not None] or [0]),
            sum(row.case.decision == row.decision for row in votes),
            sum(row.case.decision is not None for row in votes),
        )
        for name, votes in found.items()
    ]
    return sorted(counted, key=lambda each: (-each.votes, each.name))


async def vote(case_id: int, staff: str, decision: Decision, words: str, now: datetime) -> Decision | None:
    """Record what a member of staff decided, and why in words for the person; gives the decision once there is one.

    Refused with staff.no_such_case, staff.voted_before (one vote each; an appeal is for somebody who has not voted on
    what is appealed), staff.no_words (a rejection says why), staff.case_locked (it is before somebody else) and
    staff.no_photo (only photos can be asked for anew).
    """
    # The lock closes the race of two votes of which each sees only itself.
    case = await ReviewCase.filter(id=case_id, status=TaskStatus.PENDING).select_for_update().first()
    if case is None:
        raise DomainError("staff.no_such_case")
    if case.locked_until is not None and case.locked_until > now and case.locked_by != staff:
        raise DomainError("staff.case_locked")
    if decision == Decision.REJECT and not words.strip():
        raise DomainError("staff.no_words")
    layer = Layer(case.layer)
    if decision == Decision.NEW_PHOTO and (case.hidden or layer not in ABOUT_PHOTOS):
        raise DomainError("staff.no_photo")
    if await _voted(case, staff):
        raise DomainError("staff.voted_before")
    seconds = None
    if case.locked_until is not None and case.locked_by == staff:
        seconds = max(0, int((now - (case.locked_until - LOOK)).total_seconds()))
    await ReviewVote.create(
        case_id=case.id, staff=staff, decision=decision, words=words.strip(), voted_at=now, seconds=seconds
    )
    case.locked_by, case.locked_until = "", None
    await case.save(update_fields=["locked_by", "locked_until"])
    await record(staff, f"case.{decision.value}", f"case:{case.id}", now=now, after=[decision, words], words=words)
    votes = await votes_on(case.id)
    result = decided([Decision(vote.decision) for vote in votes], layer)
    if result is not None:
        case.status, case.decision, case.closed_at = TaskStatus.DONE, result, now
        await case.save(update_fields=["status", "decision", "closed_at"])
    return result


async def _voted(case: ReviewCase, staff: str) -> bool:
    """Whether a member of staff has voted on this, or on what an appeal is about."""
    about = [bytes(case.evidence)]
    if case.appeal and (settled := _settled(await cases_of(case.person_id), Layer(case.layer), bytes(case.evidence))):
        about.append(bytes(settled.evidence))
    earlier = ReviewVote.filter(
        case__person_id=case.person_id, case__layer=case.layer, case__evidence__in=about, staff=staff
    )
    return await earlier.exists()


async def cases_of(person_id: int) -> list[ReviewCase]:
    """All cases about a person, in the order they were settled; open ones last."""
    cases = await ReviewCase.filter(person_id=person_id).order_by("id")
    return sorted(cases, key=lambda case: (case.closed_at is None, case.closed_at or case.opened_at))


def _settled(cases: Iterable[ReviewCase], layer: Layer, evidence: bytes) -> ReviewCase | None:
    """The case that was decided last: on this evidence, or a signal for which the person was rejected and no appeal
    was granted since.
    """
    last = None
    for case in cases:
        if (
            case.layer == layer
            and case.appeal
            and case.decision == Decision.ACCEPT
            and last is not None
            and last.hidden
        ):
            last = None
        counts = case.decision == Decision.REJECT if case.hidden else bytes(case.evidence) == evidence
        if case.layer == layer and case.decision is not None and counts:
            last = case
    return last


def decision_on(cases: Iterable[ReviewCase], layer: Layer, evidence: bytes) -> Decision | None:
    """What staff decided last on this evidence."""
    case = _settled(cases, layer, evidence)
    return None if case is None else Decision(case.decision or "")


async def words_for(person_id: int, layer: Layer, evidence: bytes) -> str:
    """What the member of staff who settled a case last wrote to the person."""
    case = _settled(await cases_of(person_id), layer, evidence)
    if case is None:
        return ""
    vote = await ReviewVote.filter(case_id=case.id, decision=case.decision).order_by("-id").first()
    return vote.words if vote else ""


async def drop_cases(cases: Iterable[ReviewCase], seen: Mapping[Layer, bytes], now: datetime) -> None:
    """Close cases on evidence that has changed since; signals stay, whatever the layers see."""
    for case in cases:
        evidence = bytes(case.evidence)
        if case.status == TaskStatus.PENDING and not case.hidden and evidence != seen.get(Layer(case.layer), evidence):
            await ReviewCase.filter(id=case.id).update(status=TaskStatus.DONE, closed_at=now)


async def appeal(person_id: int, now: datetime) -> int:
    """Ask staff to look at every rejection again, once each (UU PDP 27/2022, art. 10); gives how many were asked for.

    Refused with review.nothing_to_appeal where no layer has failed, review.appealed_before where all were.
    """
    failed = await LayerOutcome.filter(person_id=person_id, replaced_at=None, state=LayerState.FAILED).order_by("id")
    if not failed:
        raise DomainError("review.nothing_to_appeal")
    asked = 0
    for outcome in failed:
        case, new = await ReviewCase.get_or_create(
            person_id=person_id,
            layer=outcome.layer,
            reason="appeal",
            evidence=outcome.evidence,
            appeal=True,
            defaults={"opened_at": now},
        )
        asked += new or await _reopen(case, now)
    if not asked:
        raise DomainError("review.appealed_before")
    return asked
