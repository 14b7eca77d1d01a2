"""The orders and filters of the list."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import msgspec

from domain.errors import DomainError
from domain.trainings.catalogue import Sort
from handlers.conversation import Choice, Go, Outcome, Say, Step, Turn, pressed, to
from handlers.conversations.trainings.looking import (
    FILTERS,
    LANGUAGE_WORDS,
    SORT_KEYS,
    browse_of,
    keep,
    looked_for,
    query_of,
    value_label,
    wallet_in,
)
from handlers.conversations.trainings.pages import WITH_PLACE, take_list
from models.enums import TrainingMode

VALUES = 8  # that a filter offers
SOON_DAYS = (7, 14, 30)
SORTS = (Sort.RATING, Sort.CHEAP, Sort.DEAR, Sort.NEAR, Sort.NEW)
FILTER_KEYS: Mapping[str, str] = {
    "category": "trainings.filter_category",
    "max_price": "trainings.filter_price",
    "mode": "trainings.filter_mode",
    "platform": "trainings.filter_platform",
    "language": "trainings.filter_language",
    "until": "trainings.filter_until",
}


# --- order


def ask_sort(turn: Turn) -> Say:
    """The orders there are, and the rule of each."""
    return Say(
        "trainings.sort",
        {"weight": turn.programme.trainings.rating_weight},
        choices=(*(Choice(sort.value, SORT_KEYS[sort]) for sort in SORTS), Choice("list", "trainings.list_button")),
    )


def take_sort(turn: Turn) -> Outcome:
    """Another order; a place that is shared counts from there."""
    query, choice = query_of(turn), pressed(turn)
    if turn.inbound.location is not None:
        return take_list(turn)
    if choice == "list":
        return Go("trainings.list", turn.draft)
    if choice == Sort.NEAR and query.home is None:
        raise DomainError("trainings.need_place")
    if choice not in [sort.value for sort in SORTS]:
        raise DomainError("common.choose")
    return Go("trainings.list", looked_for(turn, msgspec.structs.replace(query, sort=Sort(choice))))


# --- filters


def ask_filter(turn: Turn) -> Say:
    """The filters there are, each with what it is set to."""
    query = query_of(turn)
    choices = []
    for name in FILTERS:
        value = getattr(query, name)
        labels = [value_label(name, value)] if value else [["trainings.any", {}]]
        choices.append(Choice(name, FILTER_KEYS[name], {"short_labels": labels}, "trainings.short"))
    tail = (Choice("clear", "trainings.clear_button"), Choice("list", "trainings.list_button"))
    return Say("trainings.filter", choices=(*choices, *tail))


def take_filter(turn: Turn) -> Outcome:
    """One filter to set, or none."""
    choice = pressed(turn)
    if choice in ("list", "clear"):
        return take_list(turn) if choice == "clear" else Go("trainings.list", turn.draft)
    if choice not in FILTERS:
        raise DomainError("common.choose")
    return Go("trainings.value", keep(turn.draft, filter=choice))


def ask_value(turn: Turn) -> Say:
    """What a filter can be set to."""
    name = str(browse_of(turn).get("filter", FILTERS[0]))
    choices = []
    for value in _values(turn, name):
        key, params = value_label(name, value)
        choices.append(Choice(f"v{value}", key, params))
    return Say("trainings.value", {"filter_label": FILTER_KEYS[name]}, (*choices, Choice("any", "trainings.any")))


def _values(turn: Turn, name: str) -> list[Any]:
    match name:
        case "max_price":
            balance = int(wallet_in(turn).get("balance", 0))
            return sorted({*([balance] if balance else []), 250_000, 500_000, 750_000, 1_000_000})
        case "mode":
            return [TrainingMode.ONLINE.value, TrainingMode.OFFLINE.value]
        case "until":
            return [(turn.today + timedelta(days=days)).isoformat() for days in SOON_DAYS]
    return turn.catalogue.values(name)[:VALUES]


def take_value(turn: Turn) -> Outcome:
    """A filter's value, or none."""
    name, choice = str(browse_of(turn).get("filter", FILTERS[0])), pressed(turn) or ""
    fields: dict[str, Any] = {"max_price": 0, "until": None}
    if choice == "any":
        value = fields.get(name, "")
    elif choice.startswith("v") and choice[1:] in map(str, _values(turn, name)):
        value = choice[1:]
        if name == "max_price":
            value = int(value)
        elif name == "until":
            value = date.fromisoformat(value)
    else:
        raise DomainError("common.choose")
    return Go("trainings.list", looked_for(turn, msgspec.structs.replace(query_of(turn), **{name: value})))


STEPS = (
    Step("trainings.sort", ask_sort, take_sort, accepts=WITH_PLACE, needs="common.choose", back=to("trainings.list")),
    Step("trainings.filter", ask_filter, take_filter, needs="common.choose", back=to("trainings.list")),
    Step(
        "trainings.value",
        ask_value,
        take_value,
        needs="common.choose",
        reads=LANGUAGE_WORDS,
        back=to("trainings.filter"),
    ),
)
