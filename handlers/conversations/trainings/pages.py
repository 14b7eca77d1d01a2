"""A page of trainings, with search, and those that were saved."""

from typing import Any

import msgspec

from domain.errors import DomainError
from domain.trainings.catalogue import Listing, Query, Sort, words_of
from handlers.conversation import Choice, Draft, Go, Outcome, Say, Step, Turn, pressed, to
from handlers.conversations.trainings.looking import (
    FILTERS,
    LANGUAGE_WORDS,
    PAGE,
    SORT_KEYS,
    as_choice,
    browse_of,
    keep,
    looked_for,
    open_card,
    query_of,
    value_label,
    wallet_in,
)

WITH_PLACE = frozenset({"text", "choice", "location"})


def ask_list(turn: Turn) -> Say:
    """A page of trainings."""
    kept, query = browse_of(turn), query_of(turn)
    at, total = int(kept.get("at", 0)), int(kept.get("total", 0))
    params: dict[str, Any] = {"total_number": total, "about_labels": _about(turn, query)}
    if not total:
        clear = (Choice("clear", "trainings.clear_button"), Choice("filter", "trainings.filter_button"))
        return Say("trainings.nothing", params, (*clear, Choice("home", "trainings.home_button")))
    choices = [as_choice(listing, query) for listing in _page(turn)]
    if at + PAGE < total:
        choices.append(Choice("next", "trainings.next_button"))
    below = [Choice("filter", "trainings.filter_button"), Choice("sort", "trainings.sort_button")]
    if query.words:
        below.append(Choice("clear", "trainings.clear_button"))
    elif turn.draft.get("saved"):
        below.append(Choice("saved", "trainings.saved_button"))
    page = {"page_number": at // PAGE + 1, "pages_number": -(-total // PAGE)}
    return Say("trainings.list", {**params, **page}, (*choices, *below, Choice("home", "trainings.home_button")))


def _page(turn: Turn) -> list[Listing]:
    """The trainings of the page; those that were taken out meanwhile are passed over."""
    kept = browse_of(turn)
    at = int(kept.get("at", 0)) - int(kept.get("from", 0))
    ids: list[int] = kept.get("ids", [])[at : at + PAGE]
    return [turn.catalogue.by_id[number] for number in ids if number in turn.catalogue.by_id]


def _about(turn: Turn, query: Query) -> list[list[Any]]:
    """What the list shows: its order, its filters and the words looked for."""
    labels: list[list[Any]] = [[SORT_KEYS[query.sort], {}]]
    if query.words:
        labels.append(["trainings.words", {"words": query.words}])
    labels += [value_label(name, value) for name in FILTERS if (value := getattr(query, name))]
    if wallet_in(turn).get("may_buy"):
        labels.append(["trainings.balance_left", {"balance_number": wallet_in(turn)["balance"]}])
    return labels


def take_list(turn: Turn) -> Outcome:
    """A training, another page, or words to look for."""
    choice = pressed(turn) or ""
    query = query_of(turn)
    if choice.startswith("t") and choice[1:].isdecimal():
        return open_card(turn, int(choice[1:]))
    match choice:
        case "next":
            return Go("trainings.list", _turned(turn, PAGE))
        case "filter" | "sort" | "saved":
            return Go(f"trainings.{choice}", turn.draft)
        case "clear":
            return Go("trainings.list", looked_for(turn, Query(sort=Sort.RATING, home=query.home)))
        case "home":
            return Go("home.menu", turn.draft)
    if turn.inbound.location is not None:
        here = tuple(round(each, 2) for each in turn.inbound.location)  # about a kilometre: nobody's door
        near = msgspec.structs.replace(query, sort=Sort.NEAR, home=(here[0], here[1]))
        return Go("trainings.list", looked_for(turn, near), (Say("trainings.from_here"),))
    words = " ".join((turn.inbound.text or "").split())[:60]
    if not words_of(words):
        raise DomainError("trainings.need_words")
    draft = looked_for(turn, msgspec.structs.replace(query, words=words, sort=Sort.FIT))
    if draft["browse"]["total"]:
        return Go("trainings.list", draft)
    unfiltered = looked_for(turn, Query(words=words, sort=Sort.FIT, home=query.home))
    if unfiltered["browse"]["total"]:
        return Go("trainings.list", unfiltered, (Say("trainings.without_filters"),))
    return Go("trainings.list", draft)


def back_from_list(turn: Turn) -> Go:
    """KEMBALI: the page before, and from the first one to the menu."""
    if int(browse_of(turn).get("at", 0)) <= 0:
        return Go("home.menu", turn.draft)
    return Go("trainings.list", _turned(turn, -PAGE))


def _turned(turn: Turn, by: int) -> Draft:
    kept = browse_of(turn)
    at, total = max(0, int(kept.get("at", 0)) + by), int(kept.get("total", 0))
    at = min(at, max(0, (total - 1) // PAGE * PAGE))
    first = int(kept.get("from", 0))
    held = first + len(kept.get("ids", []))
    if first <= at and (at + PAGE <= held or held >= total):
        return keep(turn.draft, at=at)
    return looked_for(turn, query_of(turn), at)


# --- saved ones


def ask_saved(turn: Turn) -> Say:
    """What somebody kept in mind."""
    query = query_of(turn)
    kept = [turn.catalogue.by_id[number] for number in turn.draft.get("saved", []) if number in turn.catalogue.by_id]
    choices = (*(as_choice(listing, query) for listing in kept), Choice("list", "trainings.list_button"))
    return Say("trainings.saved" if kept else "trainings.saved_none", choices=choices)


def take_saved(turn: Turn) -> Outcome:
    """One of them."""
    choice = pressed(turn) or ""
    if choice.startswith("t") and choice[1:].isdecimal():
        return open_card(turn, int(choice[1:]))
    if choice == "list":
        return Go("trainings.list", turn.draft)
    raise DomainError("common.choose")


STEPS = (
    Step(
        "trainings.list",
        ask_list,
        take_list,
        accepts=WITH_PLACE,
        needs="trainings.need_words",
        match_parts=False,
        reads=LANGUAGE_WORDS,
        back=back_from_list,
    ),
    Step("trainings.saved", ask_saved, take_saved, needs="common.choose", back=to("trainings.list")),
)
