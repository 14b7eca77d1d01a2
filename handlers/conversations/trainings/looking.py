"""What somebody looks for, kept in their draft, and what every screen of it shows of a training."""

from collections.abc import Mapping
from typing import Any

import msgspec

from domain.errors import DomainError
from domain.places import distance, whereabouts
from domain.trainings.catalogue import Listing, Query, Sort
from domain.trainings.purchases import Wallet, wallet_of
from handlers.conversation import Act, Choice, Done, Draft, Go, Turn
from models.enums import PlaceStatus, TrainingMode
from models.person import Person

PAGE = 5  # trainings; with the five buttons below them a WhatsApp list is full
WINDOW = 12 * PAGE  # ids that are kept, so that turning pages asks nothing anew
LANGUAGE_WORDS = frozenset({"language", "language_en", "language_id"})  # "inggris" is a subject here
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


def keep(draft: Draft, **changed: Any) -> Draft:
    """The draft with something changed of what somebody looks for."""
    return {**draft, "browse": {**draft.get("browse", {}), **changed}}


def looked_for(turn: Turn, query: Query, at: int = 0) -> Draft:
    """The draft with what a query finds, from a place in the order on."""
    found = turn.catalogue.find(query, skip=at, limit=WINDOW)
    kept = {"query": msgspec.to_builtins(query), "ids": list(found.ids), "from": at, "at": at, "total": found.total}
    return keep(turn.draft, **kept)


def wallet_in(turn: Turn) -> dict[str, Any]:
    """Balance and place as they were when the person came in; buying looks again."""
    kept: dict[str, Any] = turn.draft.get("wallet", {})
    return kept


def in_draft(wallet: Wallet) -> dict[str, Any]:
    """A wallet as the draft keeps it."""
    place = wallet.place
    may_buy = place is not None and place.status != PlaceStatus.LAPSED and place.due_at is not None
    balance = wallet.balance + wallet.uncredited  # what is on its way counts for looking; buying looks again
    return {"balance": balance, "may_buy": may_buy, "count": wallet.purchases}


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


# --- one training


def open_card(turn: Turn, number: int) -> Go:
    """The card of a training; refused with trainings.gone."""
    if number not in turn.catalogue.by_id:
        raise DomainError("trainings.gone")
    return Go("trainings.card", keep(turn.draft, id=number))


def shown(turn: Turn) -> Listing | None:
    """The training whose card is open; None where it is gone meanwhile."""
    return turn.catalogue.by_id.get(int(browse_of(turn).get("id", 0)))


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


def value_label(name: str, value: Any) -> list[Any]:
    """What a filter is set to, as a label."""
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
