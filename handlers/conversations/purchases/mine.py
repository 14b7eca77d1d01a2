"""What somebody bought: all of it, one of it with its redeem code, and the balance."""

from typing import Any

from domain.errors import DomainError
from domain.trainings import purchases, reviews
from domain.trainings.purchases import Bought
from domain.trainings.rules import may_edit, shown_code
from handlers.conversation import (
    Act,
    Choice,
    Done,
    Draft,
    Go,
    Outcome,
    Reply,
    Say,
    Stay,
    Step,
    Turn,
    pressed,
    to,
)
from handlers.conversations import trainings
from handlers.conversations.surveys import survey_button
from handlers.conversations.trainings.looking import with_wallet
from models.enums import PurchaseStatus
from models.training import Review

LISTED = 8
STATUS_KEYS = {
    PurchaseStatus.BOUGHT: "trainings.status_bought",
    PurchaseStatus.REDEEMED: "trainings.status_redeemed",
    PurchaseStatus.FINISHED: "trainings.status_finished",
}


def as_kept(bought: Bought, turn: Turn, words: str = "") -> Draft:
    """A purchase as the draft keeps it, for its screen; ``words``: what staff said of its certificate."""
    purchase, review = bought.purchase, bought.review
    return {
        "id": purchase.id,
        "title": bought.training.title,
        "price": purchase.price,
        "code": shown_code(purchase.code),
        "status": str(purchase.status),
        "progress": purchase.progress,
        "certified": purchase.certified_at is not None,
        "stars": review.stars if review else 0,
        "editable": review is not None and _editable(review, turn),
        "words": words,
    }


def _editable(review: Review, turn: Turn) -> bool:
    try:
        may_edit(review.written_at, review.edited_at, turn.programme.trainings, turn.now)
    except DomainError:
        return False
    return True


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
        return Go("trainings.purchase", {**draft, "purchase": as_kept(meant[0], turn, words)}, replies)
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


# --- asked for at any time


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
        if not kept["stars"] or kept["editable"]:
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


def take_purchase(turn: Turn) -> Outcome:
    """What to do with it."""
    match pressed(turn):
        case "cancel" | "certificate" | "stars" as step:
            return Go(f"trainings.{step}", turn.draft)
        case "again":
            return come_in(turn, int(purchase_of(turn)["id"]))
    return _elsewhere(turn, pressed(turn) or "")


STEPS = (
    Step("trainings.mine", ask_mine, take_mine, needs="common.choose", back=to("home.menu")),
    Step("trainings.purchase", ask_purchase, take_purchase, needs="common.choose", back=to("home.menu")),
)
