"""Looking for a training: the list with its sorting and filters, search, the card of one, two side by side.

All of it is read from the catalogue in memory; only coming in and buying need the tables. What somebody looks for is
kept in the draft under ``browse``: their query, a window of the ids that were found (so that pages stay as they were
while somebody turns them), and where in it they are.
"""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import msgspec

from domain.clock import WIB
from domain.errors import DomainError
from domain.places import distance, whereabouts
from domain.trainings.catalogue import Listing, Query, Sort, words_of
from domain.trainings.purchases import Wallet, wallet_of
from domain.trainings.reviews import newest_reviews
from domain.waves.rules import last_day
from handlers.conversation import Act, Choice, Done, Draft, Go, Outcome, Reply, Say, Stay, Step, Turn, pressed, to
from models.enums import PlaceStatus, TrainingMode
from models.person import Person

PAGE = 5  # trainings; with the five buttons below them a WhatsApp list is full
WINDOW = 12 * PAGE  # ids that are kept, so that turning pages asks nothing anew
SAVED = 8
VALUES = 8  # that a filter offers
SOON_DAYS = (7, 14, 30)
LANGUAGE_WORDS = frozenset({"language", "language_en", "language_id"})  # "inggris" is a subject here
SORTS = (Sort.RATING, Sort.CHEAP, Sort.DEAR, Sort.NEAR, Sort.NEW)
FILTERS = ("category", "max_price", "mode", "platform", "language", "until")
SORT_KEYS: Mapping[Sort, str] = {
    Sort.RATING: "trainings.by_rating",
    Sort.CHEAP: "trainings.by_cheap",
    Sort.DEAR: "trainings.by_dear",
    Sort.NEAR: "trainings.by_near",
    Sort.NEW: "trainings.by_new",
    Sort.FIT: "trainings.by_fit",
}
MODE_KEYS: Mapping[str, str] = {
    TrainingMode.ONLINE: "trainings.mode_online",
    TrainingMode.OFFLINE: "trainings.mode_offline",
    TrainingMode.HYBRID: "trainings.mode_hybrid",
}
FILTER_KEYS: Mapping[str, str] = {
    "category": "trainings.filter_category",
    "max_price": "trainings.filter_price",
    "mode": "trainings.filter_mode",
    "platform": "trainings.filter_platform",
    "language": "trainings.filter_language",
    "until": "trainings.filter_until",
}


# --- what is kept


def browse_of(turn: Turn) -> dict[str, Any]:
    """What somebody looks for."""
    kept: dict[str, Any] = turn.draft.get("browse", {})
    return kept


def query_of(turn: Turn) -> Query:
    """Their query; what an older version left that can't be read any more is forgotten."""
    try:
        return msgspec.convert(browse_of(turn).get("query", {}), Query)
    except msgspec.ValidationError:
        return Query()


def _keep(draft: Draft, **changed: Any) -> Draft:
    return {**draft, "browse": {**draft.get("browse", {}), **changed}}


def looked_for(turn: Turn, query: Query, at: int = 0) -> Draft:
    """The draft with what a query finds, from a place in the order on."""
    found = turn.catalogue.find(query, skip=at, limit=WINDOW)
    kept = {"query": msgspec.to_builtins(query), "ids": list(found.ids), "from": at, "at": at, "total": found.total}
    return _keep(turn.draft, **kept)


def wallet_in(turn: Turn) -> dict[str, Any]:
    """Balance and place as they were when the person came in; buying looks again."""
    kept: dict[str, Any] = turn.draft.get("wallet", {})
    return kept


def in_draft(wallet: Wallet) -> dict[str, Any]:
    """A wallet as the draft keeps it: ``due`` is the last day to choose, empty where no clock runs."""
    place = wallet.place
    runs = place is not None and place.status in (PlaceStatus.SELECTED, PlaceStatus.NOTIFIED) and place.due_at
    may_buy = place is not None and place.status != PlaceStatus.LAPSED and place.due_at is not None
    return {
        "balance": wallet.balance,
        "due": last_day(place.due_at) if runs and place and place.due_at else "",
        "may_buy": may_buy,
        "count": wallet.purchases,
    }


async def with_wallet(turn: Turn, draft: Draft) -> Draft:
    """The draft with balance and place as they are now."""
    assert turn.person_id is not None
    return {**draft, "wallet": in_draft(await wallet_of(turn.person_id))}


def come_in(turn: Turn) -> Act:
    """To the list, as it was left."""

    async def action() -> Done:
        if turn.person_id is None:
            raise DomainError("trainings.register_first")
        draft = await with_wallet(turn, turn.draft)
        query = query_of(turn)
        if query.home is None:
            person = await Person.get(id=turn.person_id)
            query = msgspec.structs.replace(query, home=whereabouts(person.region_code))
        draft = looked_for(msgspec.structs.replace(turn, draft=draft), query)
        if not draft["browse"]["total"]:  # nothing is left of what was looked for last time
            draft = looked_for(msgspec.structs.replace(turn, draft=draft), Query(home=query.home))
        return Go("trainings.list", draft)

    return Act(action)


# --- the list


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
    labels += [_value_label(name, value) for name in FILTERS if (value := getattr(query, name))]
    if wallet_in(turn).get("may_buy"):
        labels.append(["trainings.balance_left", {"balance_number": wallet_in(turn)["balance"]}])
    return labels


def as_choice(listing: Listing, query: Query) -> Choice:
    """A training as a button, with what it is compared by."""
    labels: list[list[Any]] = [["trainings.price", {"price_number": listing.price}], rated(listing)]
    if listing.full:
        labels.append(["trainings.full_label", {}])
    labels.append([MODE_KEYS[listing.mode], {}])
    if listing.point and query.home:
        labels.append(["trainings.away", {"km_number": round(distance(query.home, listing.point))}])
    params = {"title": listing.title, "short_labels": labels}
    return Choice(f"t{listing.id}", "trainings.title", params, "trainings.short")


def rated(listing: Listing) -> list[Any]:
    """Its rating, as a label."""
    if not listing.reviews:
        return ["trainings.unrated", {}]
    return ["trainings.rated", {"rating_decimal": listing.rating, "reviews_number": listing.reviews}]


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
        return _keep(turn.draft, at=at)
    return looked_for(turn, query_of(turn), at)


# --- sorting and filters


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


def ask_filter(turn: Turn) -> Say:
    """The filters there are, each with what it is set to."""
    query = query_of(turn)
    choices = []
    for name in FILTERS:
        value = getattr(query, name)
        labels = [_value_label(name, value)] if value else [["trainings.any", {}]]
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
    return Go("trainings.value", _keep(turn.draft, filter=choice))


def ask_value(turn: Turn) -> Say:
    """What a filter can be set to."""
    name = str(browse_of(turn).get("filter", FILTERS[0]))
    choices = []
    for value in _values(turn, name):
        key, params = _value_label(name, value)
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


def _value_label(name: str, value: Any) -> list[Any]:
    match name:
        case "category":
            return [f"interest.{value}", {}]
        case "max_price":
            return ["trainings.up_to", {"price_number": value}]
        case "mode":
            return [MODE_KEYS[value], {}]
        case "language":
            return [f"trainings.language_{value}", {}]
        case "until":
            return ["trainings.until", {"last_date": value if isinstance(value, str) else value.isoformat()}]
    return ["trainings.named", {"name": value}]


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


# --- one training


def open_card(turn: Turn, number: int, replies: tuple[Reply, ...] = ()) -> Go:
    """The card of a training; refused with trainings.gone."""
    if number not in turn.catalogue.by_id:
        raise DomainError("trainings.gone")
    return Go("trainings.card", _keep(turn.draft, id=number), replies)


def shown(turn: Turn) -> Listing | None:
    """The training whose card is open; None where it is gone meanwhile."""
    return turn.catalogue.by_id.get(int(browse_of(turn).get("id", 0)))


def ask_card(turn: Turn) -> Say:
    """Everything there is to know of a training."""
    listing = shown(turn)
    if listing is None:
        return Say("trainings.gone", choices=(Choice("list", "trainings.list_button"),))
    choices = []
    if not listing.full and _why_not(turn, listing) is None:
        choices.append(Choice("buy", "trainings.buy_button", {"price_number": listing.price}))
    saved = listing.id in turn.draft.get("saved", [])
    choices.append(Choice("save", "trainings.unsave_button" if saved else "trainings.save_button"))
    choices.append(Choice("compare", "trainings.compare_button"))
    if listing.reviews:
        choices.append(Choice("reviews", "trainings.reviews_button"))
    return Say(
        "trainings.card",
        {**_facts(turn, listing), "description": listing.description, "money_lines": [_money(turn, listing)]},
        (*choices, Choice("list", "trainings.list_button")),
    )


def _facts(turn: Turn, listing: Listing) -> dict[str, Any]:
    lines: list[list[Any]] = [
        ["trainings.fact_price", {"price_number": listing.price}],
        ["trainings.fact_rating", {"rating_labels": [rated(listing)]}],
    ]
    where: list[list[Any]] = [[MODE_KEYS[listing.mode], {}]]
    if listing.place:
        where.append(["trainings.named", {"name": listing.place}])
    home = query_of(turn).home
    if listing.point and home:
        where.append(["trainings.away", {"km_number": round(distance(home, listing.point))}])
    lines.append(["trainings.fact_place", {"place_labels": where}])
    when: list[list[Any]] = [["trainings.hours", {"hours_number": listing.hours}]]
    if listing.schedule:
        when.insert(0, ["trainings.named", {"name": listing.schedule}])
    if listing.starts_on:
        when.insert(0, ["trainings.starts", {"first_date": listing.starts_on.isoformat()}])
    lines.append(["trainings.fact_time", {"time_labels": when}])
    lines.append([f"trainings.language_{listing.language}", {}])
    if listing.certificate:
        lines.append(["trainings.fact_certificate", {}])
    if listing.full:
        lines.append(["trainings.fact_full", {}])
    if listing.sample:
        lines.append(["trainings.fact_sample", {}])
    average, reviews = turn.catalogue.provider_rating(listing.provider_id)
    about: list[list[Any]] = [["trainings.named", {"name": listing.provider}]]
    if reviews:
        about.append(["trainings.rated", {"rating_decimal": average, "reviews_number": reviews}])
    who = {"title": listing.title, "provider_labels": about, "platform": listing.platform}
    return {**who, "fact_lines": lines}


def _why_not(turn: Turn, listing: Listing) -> str | None:
    """Why this person can't buy this training, as a message key; None where they can."""
    wallet = wallet_in(turn)
    if not wallet.get("may_buy"):
        return "trainings.for_selected"
    return "trainings.over_balance" if listing.price > wallet["balance"] else None


def _money(turn: Turn, listing: Listing) -> list[Any]:
    why_not = _why_not(turn, listing)
    balance = int(wallet_in(turn).get("balance", 0))
    left = balance - listing.price if why_not is None else balance
    return [why_not or "trainings.affordable", {"balance_number": balance, "left_number": left}]


def take_card(turn: Turn) -> Outcome:
    """Buy it, keep it in mind, hold it against another one, read what others say."""
    listing, choice = shown(turn), pressed(turn)
    if choice == "list" or listing is None:
        return Go("trainings.list", turn.draft)
    match choice:
        case "buy":
            if (why_not := _why_not(turn, listing)) is not None:
                raise DomainError(why_not, balance_number=wallet_in(turn).get("balance", 0), left_number=0)
            return Go("trainings.confirm", _keep(turn.draft, price=listing.price))
        case "save":
            return _save(turn, listing)
        case "compare":
            return _compare(turn, listing)
        case "reviews":
            return _read_reviews(turn, listing)
    if (other := choice or "").startswith("t") and other[1:].isdecimal():  # of the two that were compared
        return open_card(turn, int(other[1:]))
    raise DomainError("common.choose")


def _save(turn: Turn, listing: Listing) -> Stay:
    saved: list[int] = turn.draft.get("saved", [])
    new = listing.id not in saved
    kept = [*saved, listing.id][-SAVED:] if new else [number for number in saved if number != listing.id]
    draft = {**turn.draft, "saved": kept}
    choices = ask_card(msgspec.structs.replace(turn, draft=draft)).choices
    return Stay((Say("trainings.saved_now" if new else "trainings.unsaved", choices=choices),), draft=draft)


def _compare(turn: Turn, listing: Listing) -> Outcome:
    first = turn.catalogue.by_id.get(int(browse_of(turn).get("compare", 0)))
    if first is None or first.id == listing.id:
        draft = _keep(turn.draft, compare=listing.id)
        return Go("trainings.list", draft, (Say("trainings.compare_first", {"title": listing.title}),))
    draft = _keep(turn.draft, compare=0)
    params: dict[str, Any] = {}
    for name, each in (("one", first), ("two", listing)):
        facts = _facts(turn, each)
        params |= {f"{name}_title": each.title, f"{name}_provider": each.provider, f"{name}_lines": facts["fact_lines"]}
    query = query_of(turn)
    choices = (as_choice(first, query), as_choice(listing, query), Choice("list", "trainings.list_button"))
    plain = tuple(Choice(each.id, each.key, each.params) for each in choices)
    return Stay((Say("trainings.comparison", params, plain),), draft=draft)


def _read_reviews(turn: Turn, listing: Listing) -> Act:
    async def action() -> Done:
        lines = [
            [
                "trainings.review_line",
                {"stars": "⭐" * each.stars, "words": each.words, "on_date": _day(each.written_at)},
            ]
            for each in await newest_reviews(listing.id)
        ]
        params = {"title": listing.title, "review_lines": lines or [["trainings.unrated", {}]]}
        return Stay((Say("trainings.reviews", params, ask_card(turn).choices),))

    return Act(action)


def _day(moment: Any) -> str:
    return str(moment.astimezone(WIB).date().isoformat())


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


WITH_PLACE = frozenset({"text", "choice", "location"})
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
    Step("trainings.card", ask_card, take_card, needs="common.choose", back=to("trainings.list")),
    Step("trainings.saved", ask_saved, take_saved, needs="common.choose", back=to("trainings.list")),
)
