"""Buying a training and taking it back, each agreed to first."""

from tortoise.transactions import in_transaction

from domain.errors import DomainError
from domain.trainings import purchases
from handlers.conversation import (
    Act,
    Choice,
    Done,
    Go,
    Outcome,
    Say,
    Step,
    Turn,
    pressed,
    to,
    without,
)
from handlers.conversations import account
from handlers.conversations.purchases.mine import as_kept, purchase_of
from handlers.conversations.trainings.looking import browse_of, shown, wallet_in, with_wallet


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
        try:
            async with in_transaction():  # a savepoint: what is refused leaves nothing
                bought = await purchases.buy(person_id, training_id, price, turn.now)
        except DomainError as error:
            if error.code != "money.no_account":
                raise
            return await account.come_in(turn, (Say(error.code),)).action()
        draft = await with_wallet(turn, turn.draft)
        params = {"title": bought.training.title, "balance_number": draft["wallet"]["balance"]}
        said = Say("trainings.bought" if bought.new else "trainings.bought_before", params)
        return Go("trainings.purchase", {**draft, "purchase": as_kept(bought, turn)}, (said,))

    return Act(action)


# --- taking it back


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


STEPS = (
    Step("trainings.confirm", ask_confirm, take_confirm, needs="common.choose", back=to("trainings.card")),
    Step("trainings.cancel", ask_cancel, take_cancel, needs="common.choose", back=to("trainings.purchase")),
)
