"""What each layer of verification comes to. Pure: all that is known of a person goes in, a verdict a layer comes out.

A layer is one function and one line in LAYERS, which also names the facts it looks at: a change of those, and only of
those, makes an earlier decision of staff void.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import TypeAlias

from domain.programme import Eligibility, LayerRules
from domain.verification.rules.nik import age_on
from models.enums import Decision, Employment, FaceVerdict, Layer, LayerState, Match

REGISTRY_FIELDS = ("nik", "kk", "name", "birth_date")


@dataclass(frozen=True, slots=True)
class Verdict:
    """A layer's state with the message key of what the person reads; ``detail`` is the code of a list."""

    state: LayerState
    reason: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that the layers look at.

    ``registry`` is what the civil registry said field by field, None while it has not answered this question.
    ``face`` is None without a comparison of this selfie, ``turned`` whether a second one showed the head turned,
    ``attested`` whether a partner vouches for this NIK, ``card`` whether it is the one that was read on the card.
    ``twins`` are other applicants with a face this alike, None before they were looked for. ``excluded`` is the code of
    a list that shuts out, ``served`` the recipients of the family card so far: both None before anybody looked.
    """

    nik: str
    kk: str
    name: str
    birth_date: date
    warnings: tuple[str, ...] = ()
    phone_proven: bool = False
    email_proven: bool = False
    education: str = ""
    employment: Employment = Employment.JOB_SEEKER
    registry: Mapping[str, Match] | None = None
    selfie: str | None = None
    face: FaceVerdict | None = None
    turned: bool = False
    attested: bool = False
    card: Match = Match.UNKNOWN
    twins: tuple[int, ...] | None = None
    excluded: str | None = None
    served: int | None = None


@dataclass(frozen=True, slots=True)
class Circumstances:
    """The rules in force and what other layers came to."""

    today: date
    eligibility: Eligibility
    layers: LayerRules
    identified: bool = False


Judge: TypeAlias = Callable[[Facts, Circumstances], Verdict]


def _verdict(layer: Layer, state: LayerState, detail: str = "") -> Verdict:
    return Verdict(state, f"layer.{layer.value}_{state.value}", detail)


def _phone(facts: Facts, now: Circumstances) -> Verdict:
    return _verdict(Layer.PHONE, LayerState.PASSED if facts.phone_proven else LayerState.WAITING)


def _email(facts: Facts, now: Circumstances) -> Verdict:
    return _verdict(Layer.EMAIL, LayerState.PASSED if facts.email_proven else LayerState.WAITING)


def _nik(facts: Facts, now: Circumstances) -> Verdict:
    """A number that disagrees with date, sex or region is right where the registry says so, else somebody looks."""
    if not facts.warnings:
        return _verdict(Layer.NIK, LayerState.PASSED)
    if facts.registry is None:
        return _verdict(Layer.NIK, LayerState.WAITING)
    sure = now.identified and all(facts.registry.get(name) == Match.MATCH for name in ("nik", "birth_date"))
    return _verdict(Layer.NIK, LayerState.PASSED if sure else LayerState.REVIEW)


def _registry(facts: Facts, now: Circumstances) -> Verdict:
    """The registry fails somebody whose number it denies or who differs in two fields; one difference is looked at."""
    if facts.registry is None or not now.identified:  # it must not answer whoever types a number
        return _verdict(Layer.REGISTRY, LayerState.WAITING)
    said = [facts.registry.get(name, Match.UNKNOWN) for name in REGISTRY_FIELDS]
    if said[0] == Match.MISMATCH or said.count(Match.MISMATCH) > 1:
        return _verdict(Layer.REGISTRY, LayerState.FAILED)
    if said[0] == Match.UNKNOWN or Match.MISMATCH in said:
        return _verdict(Layer.REGISTRY, LayerState.REVIEW)
    return _verdict(Layer.REGISTRY, LayerState.PASSED)


def _age(facts: Facts, now: Circumstances) -> Verdict:
    fits = now.eligibility.min_age <= age_on(facts.birth_date, now.today) <= now.eligibility.max_age
    return _verdict(Layer.AGE, LayerState.PASSED if fits else LayerState.FAILED)


def _education(facts: Facts, now: Circumstances) -> Verdict:
    """Declared: who still goes to school is refused at the question."""
    return _verdict(Layer.EDUCATION, LayerState.PASSED if facts.education else LayerState.WAITING)


def _employment(facts: Facts, now: Circumstances) -> Verdict:
    refused = facts.employment in now.eligibility.refused_employment
    return _verdict(Layer.EMPLOYMENT, LayerState.FAILED if refused else LayerState.PASSED)


def _face(facts: Facts, now: Circumstances) -> Verdict:
    if facts.attested and now.layers.kyc:
        return Verdict(LayerState.PASSED, "layer.face_kyc")
    states = {
        FaceVerdict.SAME: LayerState.PASSED,
        FaceVerdict.REVIEW: LayerState.REVIEW,
        FaceVerdict.DIFFERENT: LayerState.FAILED,
    }
    state = LayerState.WAITING if facts.face is None else states[facts.face]
    # A face proves a NIK only by the card on which both stand.
    seen = facts.card == Match.MATCH and (facts.turned or not now.layers.liveness)
    if state == LayerState.PASSED and not seen:
        state = LayerState.REVIEW
    return _verdict(Layer.FACE, state)


def _unique(facts: Facts, now: Circumstances) -> Verdict:
    """One face, one person: a hit is looked at, never a rejection (strangers are alike in a search of millions)."""
    if facts.attested and now.layers.kyc:
        return _verdict(Layer.UNIQUE, LayerState.PASSED)
    if facts.twins is None:
        return _verdict(Layer.UNIQUE, LayerState.WAITING)
    return _verdict(Layer.UNIQUE, LayerState.REVIEW if facts.twins else LayerState.PASSED)


def _lists(facts: Facts, now: Circumstances) -> Verdict:
    """Said only to somebody whose face was seen: the lists must not be read out to whoever types a number."""
    if facts.excluded is None or not now.identified:
        return _verdict(Layer.LISTS, LayerState.WAITING)
    if facts.excluded:
        return _verdict(Layer.LISTS, LayerState.FAILED, facts.excluded)
    return _verdict(Layer.LISTS, LayerState.PASSED)


def _household(facts: Facts, now: Circumstances) -> Verdict:
    if facts.served is None or not now.identified:
        return _verdict(Layer.HOUSEHOLD, LayerState.WAITING)
    seats = now.eligibility.household_seats
    full = bool(seats) and facts.served >= seats
    return _verdict(Layer.HOUSEHOLD, LayerState.FAILED if full else LayerState.PASSED)


@dataclass(frozen=True, slots=True)
class _Rule:
    judge: Judge
    looks_at: tuple[str, ...] = field(default=())


LAYERS: Mapping[Layer, _Rule] = {
    Layer.PHONE: _Rule(_phone, ("phone_proven",)),
    Layer.EMAIL: _Rule(_email, ("email_proven",)),
    Layer.NIK: _Rule(_nik, ("nik", "birth_date", "warnings")),
    Layer.REGISTRY: _Rule(_registry, ("nik", "kk", "name", "birth_date", "registry")),
    Layer.AGE: _Rule(_age, ("birth_date",)),
    Layer.EDUCATION: _Rule(_education, ("education",)),
    Layer.EMPLOYMENT: _Rule(_employment, ("employment",)),
    Layer.FACE: _Rule(_face, ("nik", "card", "selfie", "face", "turned", "attested")),
    Layer.UNIQUE: _Rule(_unique, ("selfie", "twins")),
    Layer.LISTS: _Rule(_lists, ("nik", "excluded")),
    Layer.HOUSEHOLD: _Rule(_household, ("kk", "served")),
}


def evidence(layer: Layer, facts: Facts) -> str:
    """What a layer looks at, as one line; only its keyed digest is ever kept."""
    seen = [getattr(facts, name) for name in LAYERS[layer].looks_at]
    return "\0".join([layer.value, *(repr(sorted(it.items()) if isinstance(it, Mapping) else it) for it in seen)])


def judge(
    facts: Facts, today: date, eligibility: Eligibility, layers: LayerRules, decided: Mapping[Layer, Decision]
) -> dict[Layer, Verdict]:
    """A verdict for every layer that is asked for, in order; what staff decided on the same evidence goes first."""
    now = Circumstances(today, eligibility, layers)
    face = _decided(Layer.FACE, LAYERS[Layer.FACE].judge(facts, now), decided)
    now = Circumstances(today, eligibility, layers, identified=face.state == LayerState.PASSED)
    asked = [*layers.ask, *(layer for layer in Layer if layer in layers.optional)]
    return {layer: _decided(layer, LAYERS[layer].judge(facts, now), decided) for layer in asked}


def _decided(layer: Layer, verdict: Verdict, decided: Mapping[Layer, Decision]) -> Verdict:
    match decided.get(layer):
        case Decision.ACCEPT:
            return _verdict(layer, LayerState.PASSED)
        case Decision.REJECT:
            return Verdict(LayerState.FAILED, "layer.rejected", layer.value)
        case Decision.NEW_PHOTO:
            return Verdict(LayerState.WAITING, "layer.face_new_photo")
        case _:
            return verdict


def standing(verdicts: Mapping[Layer, Verdict], optional: frozenset[Layer]) -> LayerState:
    """What all layers come to together: the worst of those that hold somebody up."""
    states = {verdict.state for layer, verdict in verdicts.items() if layer not in optional}
    for state in (LayerState.FAILED, LayerState.REVIEW, LayerState.WAITING):
        if state in states:
            return state
    return LayerState.PASSED
