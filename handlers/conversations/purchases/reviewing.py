"""Stars and words about a training that is finished."""

import msgspec

from domain.errors import DomainError
from domain.surveys.actions import open_due
from domain.trainings import reviews
from domain.trainings.incentives import missing, qualify
from domain.trainings.rules import MAX_REVIEW, MIN_REVIEW, read_review
from handlers.conversation import (
    Act,
    Choice,
    Done,
    Go,
    Outcome,
    Reply,
    Say,
    Step,
    Turn,
    pressed,
    to,
    without,
)
from handlers.conversations.purchases.mine import open_mine, purchase_of
from models.training import Purchase

STARS = 5


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
        if earned := await qualify(Purchase._meta.db, turn.person_id, turn.programme, turn.now):
            replies = (*replies, Say("money.earned", {"count": earned}))
        elif await missing(turn.person_id) == ["account"]:
            replies = (*replies, Say("money.link_for_incentive"))
        inside = without(turn.draft, "stars")
        if opened:
            inside["survey_open"] = True
        return await open_mine(msgspec.structs.replace(turn, draft=inside), number, replies)

    return Act(action)


STEPS = (
    Step("trainings.stars", ask_stars, take_stars, needs="common.choose", back=to("trainings.purchase")),
    Step("trainings.review", ask_words, take_words, accepts=frozenset({"text"}), back=to("trainings.stars")),
)
