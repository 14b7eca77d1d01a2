"""What the layers of verification came to, in words, and what a person can do about it."""

from dataclasses import dataclass
from typing import Any

from domain.registration.actions import answers_of
from domain.verification.actions import layers, lists, review
from handlers.conversation import Act, Choice, Done, Draft, Go, Say, Stay, Turn, without
from handlers.conversations.photos import ABOUT_CARD, without_selfie
from models.enums import Layer, LayerState
from models.verification import LayerOutcome


@dataclass(frozen=True)
class Standing:
    """Parameters and buttons for a message that shows each layer with its reason."""

    params: dict[str, Any]
    choices: tuple[Choice, ...]


async def of(person_id: int, language: str) -> Standing:
    """Each layer with its reason, in the order people see them; buttons for what can be done."""
    outcomes = await layers.current_outcomes(person_id)
    order = list(Layer)
    told = sorted(layers.as_told(outcomes), key=lambda each: order.index(each[0]))
    lines = [[reason, {}] if reason != row.reason else await _line(row, language) for _, _, reason, row in told]
    return Standing({"layer_lines": lines or [["layer.not_yet", {}]]}, _choices(outcomes))


async def _line(row: LayerOutcome, language: str) -> list[Any]:
    params: dict[str, Any] = {}
    if row.reason == "layer.lists_failed":
        params = await lists.words(row.detail, language)
    elif row.reason == "layer.rejected":
        words = await review.words_for(row.person_id, Layer(row.layer), bytes(row.evidence))
        params = {"layer_label": f"layer.name_{row.layer}", "words": words}
    return [row.reason, params]


def _choices(outcomes: list[LayerOutcome]) -> tuple[Choice, ...]:
    failed = any(row.state == LayerState.FAILED for row in outcomes)
    asked = any(row.reason == "layer.face_new_photo" for row in outcomes)
    photo = (Choice("new_photo", "home.new_photo_button"),) if asked else ()
    return (*photo, Choice("fix", "home.fix_button"), Choice("appeal", "home.appeal_button")) if failed else photo


def tell(turn: Turn) -> Act:
    """A layer came to something the person should hear of now, or staff have settled what they looked at."""

    async def action() -> Done:
        assert turn.person_id is not None
        standing = await of(turn.person_id, turn.language)
        key = "home.verification" if standing.choices else "home.review_done"
        return Stay((Say(key, standing.params, standing.choices),))

    return Act(action)


async def _answers(turn: Turn) -> Draft:
    assert turn.person_id is not None
    return {**turn.draft, **await answers_of(turn.person_id)}


def correct(turn: Turn) -> Act:
    """Back into the registration, with everything answered, to correct one thing."""

    async def action() -> Done:
        return Go("registration.summary", {**await _answers(turn), "correcting": True})

    return Act(action)


def new_photo(turn: Turn) -> Act:
    """Back into the registration for another selfie, and for another photo of the card where that one won't do."""

    async def action() -> Done:
        assert turn.person_id is not None
        answers = without(await _answers(turn), "correcting")
        if await layers.card_proves_nothing(turn.person_id):
            return Go("registration.card_photo", without(answers, *ABOUT_CARD))
        return Go("registration.selfie", without_selfie(answers))

    return Act(action)


def appeal(turn: Turn) -> Act:
    """Ask that a person looks at every rejection again."""

    async def action() -> Done:
        assert turn.person_id is not None
        await review.appeal(turn.person_id, turn.now)
        return Stay((Say("home.appealed"),))

    return Act(action)
