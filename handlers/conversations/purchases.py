"""What somebody bought: buying, the redeem code, taking it back, the certificate, stars and a review."""

from datetime import datetime, timedelta
from typing import Any

import msgspec

from domain.errors import DomainError
from domain.surveys.actions import open_due
from domain.trainings import purchases, reviews
from domain.trainings.purchases import Bought
from domain.trainings.rules import MAX_REVIEW, MIN_REVIEW, read_review, shown_code
from domain.verification.actions.photos import start_photo_task
from domain.waves.rules import last_day
from handlers.conversation import (
    Act,
    Choice,
    Done,
    Draft,
    Go,
    Outcome,
    PhotoOutcome,
    RemotePhoto,
    Reply,
    Say,
    Stay,
    Step,
    Turn,
    pressed,
    to,
    without,
)
from handlers.conversations import trainings
from handlers.conversations.surveys import survey_button
from handlers.conversations.trainings import browse_of, shown, wallet_in, with_wallet
from models.enums import Channel, PhotoKind, PlaceStatus, PurchaseStatus

LISTED = 8
STARS = 5
STATUS_KEYS = {
    PurchaseStatus.BOUGHT: "trainings.status_bought",
    PurchaseStatus.REDEEMED: "trainings.status_redeemed",
    PurchaseStatus.FINISHED: "trainings.status_finished",
}


# --- buying


def ask_confirm(turn: Turn) -> Say:
    """Price, balance and what is left: nothing is bought before this is agreed to."""
    listing, balance = shown(turn), int(wallet_in(turn).get("balance", 0))
    if listing is None:
        return Say("trainings.gone", choices=(Choice("no", "trainings.list_button"),))
    params = {
        "title": listing.title,
        "provider": listing.provider,
        "price_number": _price_shown(turn),
        "balance_number": balance,
        "left_number": balance - _price_shown(turn),
    }
    choices = (Choice("yes", "trainings.yes_buy"), Choice("no", "trainings.no_buy"))
    return Say("trainings.confirm", params, choices)


def _price_shown(turn: Turn) -> int:
    return int(browse_of(turn).get("price", 0))


def take_confirm(turn: Turn) -> Outcome:
    """Buy, or not."""
    if pressed(turn) == "no":
        return Go("trainings.card" if shown(turn) else "trainings.list", turn.draft)
    if pressed(turn) != "yes" or turn.person_id is None:
        raise DomainError("common.choose")
    person_id, training_id = turn.person_id, int(browse_of(turn)["id"])
    listing, price = shown(turn), _price_shown(turn)
    if listing is not None and listing.price != price:
        return Go("trainings.card", turn.draft, (Say("trainings.price_changed", {"price_number": listing.price}),))

    async def action() -> Done:
        bought = await purchases.buy(person_id, training_id, price, turn.now)
        draft = await with_wallet(turn, turn.draft)
        params = {"title": bought.training.title, "balance_number": draft["wallet"]["balance"]}
        said = Say("trainings.bought" if bought.new else "trainings.bought_before", params)
        return Go("trainings.purchase", {**draft, "purchase": _kept(bought)}, (said,))

    return Act(action)


def _kept(bought: Bought, words: str = "") -> Draft:
    """A purchase as the draft keeps it, for its screen."""
    purchase, review = bought.purchase, bought.review
    return {
        "id": purchase.id,
        "title": bought.training.title,
        "provider": purchase.provider_id,
        "price": purchase.price,
        "code": shown_code(purchase.code),
        "status": str(purchase.status),
        "progress": purchase.progress,
        "certified": purchase.certified_at is not None,
        "stars": review.stars if review else 0,
        "edit_until": _edit_until(review),
        "words": words,
    }


def _edit_until(review: Any) -> str:
    return "" if review is None or review.edited_at is not None else str(review.written_at.isoformat())


# --- what was bought


def come_in(turn: Turn, purchase_id: int = 0, replies: tuple[Reply, ...] = ()) -> Act:
    """To what somebody bought: to the list, or to the only one or the one that is meant."""

    async def action() -> Done:
        return await open_mine(turn, purchase_id, replies)

    return Act(action)


async def open_mine(turn: Turn, purchase_id: int = 0, replies: tuple[Reply, ...] = ()) -> Go:
    """See come_in; inside an action."""
    if turn.person_id is None:
        raise DomainError("trainings.register_first")
    draft = await with_wallet(turn, turn.draft)
    found = await purchases.bought_by(turn.person_id)
    meant = [each for each in found if each.purchase.id == purchase_id] or (found if len(found) == 1 else [])
    if meant:
        words = await reviews.last_refusal(meant[0].purchase.id)
        return Go("trainings.purchase", {**draft, "purchase": _kept(meant[0], words)}, replies)
    mine = [
        {"id": each.purchase.id, "title": each.training.title, "status": str(each.purchase.status)}
        for each in found[:LISTED]
    ]
    return Go("trainings.mine", {**draft, "mine": mine}, replies)


def ask_mine(turn: Turn) -> Say:
    """Everything that was bought."""
    mine: list[dict[str, Any]] = turn.draft.get("mine", [])
    choices = [
        Choice(
            f"p{each['id']}",
            "trainings.title",
            {"title": each["title"], "short_labels": [[STATUS_KEYS[PurchaseStatus(each["status"])], {}]]},
            "trainings.short",
        )
        for each in mine
    ]
    tail = (Choice("list", "trainings.look_button"), Choice("home", "trainings.home_button"))
    return Say("trainings.mine" if mine else "trainings.mine_none", choices=(*choices, *tail))


def take_mine(turn: Turn) -> Outcome:
    """One of them, or on to look for another."""
    choice = pressed(turn) or ""
    if choice.startswith("p") and choice[1:].isdecimal():
        return come_in(turn, int(choice[1:]))
    return _elsewhere(turn, choice)


def _elsewhere(turn: Turn, choice: str) -> Outcome:
    if choice == "home":
        return Go("home.menu", turn.draft)
    if choice == "list":
        return trainings.come_in(turn)
    raise DomainError("common.choose")


def codes(turn: Turn) -> Act:
    """KODE: the redeem codes, once more."""

    async def action() -> Done:
        if turn.person_id is None:
            raise DomainError("trainings.register_first")
        lines = [
            [
                "trainings.code_line",
                {
                    "title": each.training.title,
                    "code": shown_code(each.purchase.code),
                    "status_label": STATUS_KEYS[PurchaseStatus(each.purchase.status)],
                },
            ]
            for each in await purchases.bought_by(turn.person_id)
        ]
        say = Say("trainings.codes", {"code_lines": lines}) if lines else Say("trainings.codes_none")
        choices = (Choice("!trainings", "trainings.look_button"), Choice("!resume", "help.resume"))
        return Stay((Say(say.key, say.params, choices),))

    return Act(action)


def balance(turn: Turn) -> Act:
    """SALDO: what may be spent, until when, what it was spent on, and what is put down for surveys."""

    async def action() -> Done:
        if turn.person_id is None:
            raise DomainError("trainings.register_first")
        wallet = await purchases.wallet_of(turn.person_id)
        choices = (Choice("!trainings", "trainings.look_button"), Choice("!resume", "help.resume"))
        if wallet.place is None or wallet.place.due_at is None:
            return Stay((Say("money.none", choices=choices),))
        lines: list[list[Any]] = [["money.balance", {"balance_number": wallet.balance}]]
        if wallet.place.status == PlaceStatus.LAPSED:
            lines.append(["money.lapsed", {}])
        elif wallet.place.status != PlaceStatus.ACCEPTED:
            lines.append(["money.deadline", {"deadline_date": last_day(wallet.place.due_at)}])
        bought = await purchases.bought_by(turn.person_id)
        lines += [
            ["money.spent", {"title": each.training.title, "price_number": each.purchase.price}] for each in bought
        ]
        if wallet.incentives:
            lines.append(["money.incentives", {"amount_number": wallet.incentives}])
        return Stay((Say("money.statement", {"money_lines": lines}, choices),))

    return Act(action)


# --- one of them


def purchase_of(turn: Turn) -> dict[str, Any]:
    """The purchase whose screen is open."""
    kept: dict[str, Any] = turn.draft.get("purchase", {})
    return kept


def ask_purchase(turn: Turn) -> Say:
    """Code, how far it is, and what comes next."""
    kept = purchase_of(turn)
    status = PurchaseStatus(kept["status"])
    lines: list[list[Any]] = [[STATUS_KEYS[status], {}]]
    choices = []
    if status == PurchaseStatus.BOUGHT:
        lines.append(["trainings.use_code", {}])
        choices.append(Choice("cancel", "trainings.cancel_button"))
    elif status == PurchaseStatus.REDEEMED:
        lines.append(["trainings.progress", {"percent": kept["progress"]}])
    if status != PurchaseStatus.BOUGHT:
        lines.append(["trainings.has_certificate" if kept["certified"] else "trainings.no_certificate", {}])
        if not kept["certified"]:
            if kept["words"]:
                lines.append(["trainings.certificate_words", {"words": kept["words"]}])
            choices.append(Choice("certificate", "trainings.certificate_button"))
    if status == PurchaseStatus.FINISHED:
        if kept["stars"]:
            lines.append(["trainings.your_stars", {"stars": "⭐" * kept["stars"]}])
        else:
            lines.append(["trainings.no_stars", {}])
        if not kept["stars"] or _may_edit(turn):
            choices.insert(
                0, Choice("stars", "trainings.stars_button" if not kept["stars"] else "trainings.edit_button")
            )
    choices += survey_button(turn)
    params = {"title": kept["title"], "price_number": kept["price"], "code": kept["code"], "next_lines": lines}
    tail = (
        Choice("again", "trainings.refresh_button"),
        Choice("list", "trainings.look_button"),
        Choice("home", "trainings.home_button"),
    )
    return Say("trainings.purchase", params, (*choices, *tail))


def _may_edit(turn: Turn) -> bool:
    written = purchase_of(turn).get("edit_until")
    if not written:
        return False
    return turn.now <= datetime.fromisoformat(written) + timedelta(days=turn.programme.trainings.edit_days)


def take_purchase(turn: Turn) -> Outcome:
    """What to do with it."""
    match pressed(turn):
        case "cancel" | "certificate" | "stars" as step:
            return Go(f"trainings.{step}", turn.draft)
        case "again":
            return come_in(turn, int(purchase_of(turn)["id"]))
    return _elsewhere(turn, pressed(turn) or "")


def ask_cancel(turn: Turn) -> Say:
    """Taking it back is agreed to first."""
    kept = purchase_of(turn)
    params = {"title": kept["title"], "price_number": kept["price"]}
    return Say("trainings.cancel", params, (Choice("yes", "trainings.yes_cancel"), Choice("no", "trainings.no_cancel")))


def take_cancel(turn: Turn) -> Outcome:
    """Take it back, or not."""
    if pressed(turn) == "no":
        return Go("trainings.purchase", turn.draft)
    if pressed(turn) != "yes" or turn.person_id is None:
        raise DomainError("common.choose")
    person_id, number = turn.person_id, int(purchase_of(turn)["id"])

    async def action() -> Done:
        bought = await purchases.cancel(person_id, number, turn.now)
        draft = await with_wallet(turn, without(turn.draft, "purchase"))
        params = {"title": bought.training.title, "balance_number": draft["wallet"]["balance"]}
        return Go("home.menu", draft, (Say("trainings.cancelled", params),))

    return Act(action)


# --- certificate


def ask_certificate(turn: Turn) -> Say:
    """A photo of the certificate."""
    choices = (Choice("back", "trainings.back_button"),)
    return Say("trainings.ask_certificate", {"title": purchase_of(turn)["title"]}, choices, "photo")


def take_certificate(turn: Turn) -> Outcome:
    """The photo is kept; one that its platform still holds is fetched by a task."""
    photo = turn.inbound.photo
    if pressed(turn) == "back":
        return Go("trainings.purchase", turn.draft)
    if photo is None:
        raise DomainError("trainings.need_certificate")
    if not isinstance(photo, RemotePhoto):
        return keep_certificate(turn, int(purchase_of(turn)["id"]), photo.id)

    async def action() -> Done:
        await start_photo_task(
            turn.conversation_id,
            PhotoKind.CERTIFICATE,
            Channel(turn.inbound.channel),
            turn.now,
            remote=photo.file_id,
            asked=str(purchase_of(turn)["id"]),  # whose certificate it is, whatever is open when it has come
        )
        return Stay((Say("trainings.certificate_checking"),))

    return Act(action)


def keep_certificate(turn: Turn, number: int, photo_id: str) -> Act:
    """Let staff look at the photo of a purchase's certificate."""

    async def action() -> Done:
        assert turn.person_id is not None
        rules = turn.programme.trainings
        await reviews.send_certificate(turn.person_id, number, photo_id, rules, turn.now)
        return await open_mine(turn, number, (Say("trainings.certificate_sent"),))

    return Act(action)


def certificate_outcome(turn: Turn, outcome: PhotoOutcome) -> Outcome:
    """The photo was fetched: it is kept wherever its sender is by now; one who still waits is told of trouble."""
    if outcome.photo is not None:
        return keep_certificate(turn, int(outcome.asked), outcome.photo.id)
    if turn.step != "trainings.certificate":
        return Stay()
    raise DomainError(outcome.error)


# --- stars and words


def ask_stars(turn: Turn) -> Say:
    """One to five stars."""
    choices = tuple(
        Choice(f"s{number}", f"trainings.stars_{number}", {"stars": "⭐" * number}) for number in range(STARS, 0, -1)
    )
    return Say("trainings.ask_stars", {"title": purchase_of(turn)["title"]}, choices)


def take_stars(turn: Turn) -> Outcome:
    """Then the words."""
    choice = pressed(turn) or ""
    if choice[:1] != "s" or choice[1:] not in {str(number) for number in range(1, STARS + 1)}:
        raise DomainError("trainings.need_stars", most=STARS)
    return Go("trainings.review", {**turn.draft, "stars": int(choice[1:])})


def ask_words(turn: Turn) -> Say:
    """What was good, what could be better."""
    params = {"stars": "⭐" * int(turn.draft.get("stars", 0)), "least": MIN_REVIEW, "most": MAX_REVIEW}
    return Say("trainings.ask_words", params)


def take_words(turn: Turn) -> Outcome:
    """Keep the review; it counts for the rating at once."""
    words = read_review(turn.inbound.text or "")
    stars = int(turn.draft["stars"])

    async def action() -> Done:
        assert turn.person_id is not None
        number = int(purchase_of(turn)["id"])
        await reviews.review(turn.person_id, number, stars, words, turn.programme.trainings, turn.now)
        opened = await open_due(turn.person_id, turn.programme, turn.now)
        replies: tuple[Reply, ...] = (Say("trainings.reviewed", {"days": turn.programme.trainings.edit_days}),)
        if opened:
            amount = turn.programme.money_on(turn.today).survey_incentive
            replies = (*replies, Say("surveys.opened", {"amount_number": amount}))
        inside = without(turn.draft, "stars")
        if opened:
            inside["survey_open"] = True
        return await open_mine(msgspec.structs.replace(turn, draft=inside), number, replies)

    return Act(action)


STEPS = (
    Step("trainings.confirm", ask_confirm, take_confirm, needs="common.choose", back=to("trainings.card")),
    Step("trainings.mine", ask_mine, take_mine, needs="common.choose", back=to("home.menu")),
    Step("trainings.purchase", ask_purchase, take_purchase, needs="common.choose", back=to("home.menu")),
    Step("trainings.cancel", ask_cancel, take_cancel, needs="common.choose", back=to("trainings.purchase")),
    Step(
        "trainings.certificate",
        ask_certificate,
        take_certificate,
        accepts=frozenset({"photo", "choice"}),
        needs="trainings.need_certificate",
        back=to("trainings.purchase"),
    ),
    Step("trainings.stars", ask_stars, take_stars, needs="common.choose", back=to("trainings.purchase")),
    Step("trainings.review", ask_words, take_words, accepts=frozenset({"text"}), back=to("trainings.stars")),
)
