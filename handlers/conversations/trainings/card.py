"""Everything about one training: kept in mind, held against another one, read about, bought."""

from typing import Any

import msgspec

from domain.clock import day_of
from domain.errors import DomainError
from domain.places import distance
from domain.trainings.catalogue import Listing
from domain.trainings.reviews import newest_reviews
from handlers.conversation import Act, Choice, Done, Go, Outcome, Say, Stay, Step, Turn, pressed, to
from handlers.conversations.trainings.looking import (
    MODE_KEYS,
    as_choice,
    browse_of,
    keep,
    open_card,
    query_of,
    rated,
    shown,
    wallet_in,
)

SAVED = 8


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
            return Go("trainings.confirm", keep(turn.draft, price=listing.price))
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
        draft = keep(turn.draft, compare=listing.id)
        return Go("trainings.list", draft, (Say("trainings.compare_first", {"title": listing.title}),))
    draft = keep(turn.draft, compare=0)
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
                {"stars": "⭐" * each.stars, "words": each.words, "on_date": day_of(each.written_at).isoformat()},
            ]
            for each in await newest_reviews(listing.id)
        ]
        params = {"title": listing.title, "review_lines": lines or [["trainings.unrated", {}]]}
        return Stay((Say("trainings.reviews", params, ask_card(turn).choices),))

    return Act(action)


STEPS = (Step("trainings.card", ask_card, take_card, needs="common.choose", back=to("trainings.list")),)
