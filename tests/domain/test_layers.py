"""The layers of verification, as tables and as properties."""

import itertools
from collections.abc import Iterator
from dataclasses import fields, replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import programme
from domain.programme import LayerRules
from domain.verification.rules.layers import LAYERS, Facts, Verdict, evidence, judge, standing
from domain.verification.rules.review import decided
from models.enums import Decision, Employment, FaceVerdict, Layer, LayerState, Match

TODAY = date(2026, 11, 24)
RULES = programme.load()
NOW = (TODAY, RULES.eligibility_on(TODAY), RULES.layers_on(TODAY))
ALL_MATCH = dict.fromkeys(("nik", "kk", "name", "birth_date"), Match.MATCH)
HONEST = Facts(
    nik="3171011508900001",
    kk="3171010101990001",
    name="SITI AMINAH",
    birth_date=date(1990, 8, 15),
    phone_proven=True,
    education="senior",
    registry=ALL_MATCH,
    selfie="s",
    face=FaceVerdict.SAME,
    turned=True,
    card=Match.MATCH,
    twins=(),
    excluded="",
    served=0,
)

# What is said about a number waits until its owner was seen.
UNSEEN = {Layer.FACE: "review", Layer.REGISTRY: "waiting", Layer.LISTS: "waiting", Layer.HOUSEHOLD: "waiting"}
CASES = [
    ("an honest applicant", {}, {}, LayerState.PASSED),
    ("phone not proven", {"phone_proven": False}, {Layer.PHONE: "waiting"}, LayerState.WAITING),
    ("registry silent", {"registry": None}, {Layer.REGISTRY: "waiting"}, LayerState.WAITING),
    ("registry denies the number", {"registry": ALL_MATCH | {"nik": Match.MISMATCH}}, {Layer.REGISTRY: "failed"},
     LayerState.FAILED),
    ("one field differs", {"registry": ALL_MATCH | {"name": Match.MISMATCH}}, {Layer.REGISTRY: "review"},
     LayerState.REVIEW),
    ("two fields differ", {"registry": ALL_MATCH | {"name": Match.MISMATCH, "kk": Match.MISMATCH}},
     {Layer.REGISTRY: "failed"}, LayerState.FAILED),
    ("number unknown", {"registry": dict.fromkeys(ALL_MATCH, Match.UNKNOWN)}, {Layer.REGISTRY: "review"},
     LayerState.REVIEW),
    ("a date that differs, which the registry confirms", {"warnings": ("birth_date_differs",)}, {}, LayerState.PASSED),
    ("a date that differs, unconfirmed",
     {"warnings": ("birth_date_differs",), "registry": ALL_MATCH | {"birth_date": Match.UNKNOWN}},
     {Layer.NIK: "review"}, LayerState.REVIEW),
    ("too old", {"birth_date": date(1950, 1, 1)}, {Layer.AGE: "failed"}, LayerState.FAILED),
    ("a state employee", {"employment": Employment.STATE}, {Layer.EMPLOYMENT: "failed"}, LayerState.FAILED),
    ("faces alike enough to look", {"face": FaceVerdict.REVIEW}, UNSEEN, LayerState.REVIEW),
    ("head never seen turned", {"turned": False}, UNSEEN, LayerState.REVIEW),
    ("a card that could not be read", {"card": Match.UNKNOWN}, UNSEEN, LayerState.REVIEW),
    ("another number than the card's, which the registry denies", {"card": Match.MISMATCH,
     "registry": ALL_MATCH | {"nik": Match.MISMATCH}}, UNSEEN, LayerState.REVIEW),
    ("the same face elsewhere", {"twins": (7,)}, {Layer.UNIQUE: "review"}, LayerState.REVIEW),
    ("on a list", {"excluded": "dtks"}, {Layer.LISTS: "failed"}, LayerState.FAILED),
    ("a household that is full", {"served": 2}, {Layer.HOUSEHOLD: "failed"}, LayerState.FAILED),
    ("a household with room", {"served": 1}, {}, LayerState.PASSED),
]  # fmt: skip


@pytest.mark.parametrize(("label", "change", "expected", "together"), CASES, ids=[case[0] for case in CASES])
def test_each_layer_can_fail_and_says_so(
    label: str, change: dict[str, object], expected: dict[Layer, str], together: LayerState
) -> None:
    verdicts = judge(replace(HONEST, **change), *NOW, {})  # type: ignore[arg-type]
    others = {layer: verdict.state for layer, verdict in verdicts.items() if verdict.state != LayerState.PASSED}
    assert others == {**expected, Layer.EMAIL: "waiting"}
    assert standing(verdicts, NOW[2].optional) == together


def test_a_partner_who_vouches_takes_the_place_of_all_faces_where_the_rules_say_so() -> None:
    vouched = replace(HONEST, selfie=None, face=None, turned=False, twins=None, attested=True)
    verdicts = judge(vouched, *NOW, {})
    assert verdicts[Layer.FACE] == Verdict(LayerState.PASSED, "layer.face_kyc")
    assert standing(verdicts, NOW[2].optional) == LayerState.PASSED
    april = RULES.layers_on(date(2020, 4, 11))
    assert not april.kyc
    assert judge(vouched, TODAY, NOW[1], april, {})[Layer.FACE].state == LayerState.WAITING


def test_what_staff_decided_goes_first_and_a_rejection_on_the_face_hides_the_lists() -> None:
    unsure = replace(HONEST, face=FaceVerdict.REVIEW, excluded="dtks")
    accepted = judge(unsure, *NOW, {Layer.FACE: Decision.ACCEPT})
    assert (accepted[Layer.FACE].state, accepted[Layer.LISTS].state) == (LayerState.PASSED, LayerState.FAILED)
    rejected = judge(unsure, *NOW, {Layer.FACE: Decision.REJECT})
    assert rejected[Layer.FACE] == Verdict(LayerState.FAILED, "layer.rejected", "face")
    assert rejected[Layer.LISTS].state == LayerState.WAITING


@given(st.sampled_from(list(Layer)), st.sampled_from([each.name for each in fields(Facts)]))
def test_evidence_changes_with_what_a_layer_looks_at_and_with_nothing_else(layer: Layer, name: str) -> None:
    other = replace(HONEST, **{name: None if getattr(HONEST, name) is not None else "x"})  # type: ignore[arg-type]
    assert (evidence(layer, other) != evidence(layer, HONEST)) == (name in LAYERS[layer].looks_at)


@given(
    face=st.sampled_from([None, *FaceVerdict]),
    turned=st.booleans(),
    registry=st.none() | st.fixed_dictionaries(dict.fromkeys(ALL_MATCH, st.sampled_from(Match))),
    excluded=st.sampled_from([None, "", "dtks"]),
)
def test_lists_are_told_only_to_a_face_that_was_seen(
    face: FaceVerdict | None, turned: bool, registry: dict[str, Match] | None, excluded: str | None
) -> None:
    facts = replace(HONEST, face=face, turned=turned, registry=registry, excluded=excluded)
    verdicts = judge(facts, *NOW, {})
    if verdicts[Layer.FACE].state != LayerState.PASSED:
        assert verdicts[Layer.LISTS].state == LayerState.WAITING


VOTES = [
    ([Decision.ACCEPT], Decision.ACCEPT),
    ([Decision.REJECT], None),
    ([Decision.REJECT, Decision.REJECT], Decision.REJECT),
    ([Decision.REJECT, Decision.ACCEPT], None),
    ([Decision.REJECT, Decision.ACCEPT, Decision.ACCEPT], Decision.ACCEPT),
    ([Decision.NEW_PHOTO], Decision.NEW_PHOTO),
    ([], None),
]


@pytest.mark.parametrize(("votes", "decision"), VOTES)
def test_a_rejection_on_a_face_needs_two_people(votes: list[Decision], decision: Decision | None) -> None:
    assert decided(votes, Layer.FACE) == decision


def test_a_rejection_on_papers_needs_one() -> None:
    assert decided([Decision.REJECT], Layer.REGISTRY) == Decision.REJECT


def test_rules_are_dated_and_a_later_one_keeps_what_it_does_not_say() -> None:
    ages = [(RULES.eligibility_on(date(year, 12, 1)).max_age) for year in (2020, 2022, 2023)]
    assert ages == [120, 120, 64]
    assert RULES.eligibility_on(date(2020, 5, 1)).refused_employment == frozenset()
    assert RULES.eligibility_on(date(2024, 1, 1)).refused_employment == {Employment.STATE}
    assert [RULES.eligibility_on(date(year, 6, 1)).household_seats for year in (2020, 2021, 2025)] == [0, 2, 2]
    assert Layer.HOUSEHOLD not in RULES.layers_on(date(2020, 12, 1)).ask
    assert RULES.layers_on(date(2022, 1, 1)).liveness


def every_reason() -> Iterator[str]:
    """Every message key a verdict can carry."""
    registries = [None, ALL_MATCH, ALL_MATCH | {"name": Match.MISMATCH}, ALL_MATCH | {"nik": Match.MISMATCH},
                  dict.fromkeys(ALL_MATCH, Match.UNKNOWN)]  # fmt: skip
    changes = itertools.product(
        (True, False), (True, False), (HONEST.birth_date, TODAY), ("senior", ""), tuple(Employment)[-2:],
        registries, ((), ("sex_differs",)), (None, *FaceVerdict), (None, (), (7,)), (None, "", "dtks"), (None, 0, 9),
        (True, False),
    )  # fmt: skip
    names = ("phone_proven", "email_proven", "birth_date", "education", "employment", "registry", "warnings", "face",
             "twins", "excluded", "served", "attested")  # fmt: skip
    asked = LayerRules(TODAY, tuple(Layer), liveness=False, kyc=True)
    one_by_one = itertools.islice(changes, 0, None, 7)
    for values in one_by_one:
        facts = replace(HONEST, **dict(zip(names, values, strict=True)))
        for verdict in judge(facts, TODAY, NOW[1], asked, {}).values():
            yield verdict.reason
    for decision in Decision:
        yield from (verdict.reason for verdict in judge(HONEST, *NOW, dict.fromkeys(Layer, decision)).values())
