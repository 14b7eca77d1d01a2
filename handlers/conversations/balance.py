"""SALDO: what may be spent, what is coming and when, and what is missing for it."""

from typing import Any

from domain.clock import day_of
from domain.errors import DomainError
from domain.money import accounts, dues
from domain.money.dues import Coming
from domain.trainings import incentives, purchases
from domain.trainings.purchases import Wallet
from domain.waves.rules import last_day
from handlers.conversation import Act, Choice, Done, Say, Stay, Turn
from models.enums import DueKind, DueStatus, Payee, PlaceStatus
from models.payout import PayeeAccount

Line = list[Any]


def come_in(turn: Turn) -> Act:
    """Everything about somebody's money, in lines."""

    async def action() -> Done:
        if turn.person_id is None:
            raise DomainError("trainings.register_first")
        wallet = await purchases.wallet_of(turn.person_id)
        resume = Choice("!resume", "help.resume")
        if wallet.place is None or wallet.place.due_at is None:
            return Stay((Say("money.none", choices=(Choice("!trainings", "trainings.look_button"), resume)),))
        account = await accounts.account_of(Payee.PERSON, turn.person_id)
        coming = await dues.dues_of(turn.person_id)
        lines = _balance(wallet, account)
        if wallet.balance and (until := await dues.balance_until(wallet.place.id, turn.programme)):
            lines.append(["money.until", {"until_date": until.isoformat()}])
        lines += await _spent(turn.person_id)
        if wallet.place.status != PlaceStatus.LAPSED:
            lines += await _incentives(turn, wallet.place.wave_id, coming)
            if account is not None:
                lines.append(["money.account", accounts.shown(account)])
        choices = [Choice("!trainings", "trainings.look_button"), resume]
        if account is None and wallet.place.status != PlaceStatus.LAPSED:
            choices.insert(0, Choice("!account", "home.account_button"))
        return Stay((Say("money.statement", {"money_lines": lines}, tuple(choices)),))

    return Act(action)


def _balance(wallet: Wallet, account: PayeeAccount | None) -> list[Line]:
    assert wallet.place is not None
    assert wallet.place.due_at is not None
    lines: list[Line] = [["money.balance", {"balance_number": wallet.balance}]]
    if wallet.uncredited:
        key = "money.to_come" if account is not None else "money.to_come_no_account"
        lines = [[key, {"amount_number": wallet.uncredited}]]
    if wallet.place.status == PlaceStatus.LAPSED:
        lines.append(["money.lapsed", {}])
    elif wallet.place.status != PlaceStatus.ACCEPTED:
        lines.append(["money.deadline", {"deadline_date": last_day(wallet.place.due_at)}])
    return lines


async def _spent(person_id: int) -> list[Line]:
    return [
        ["money.spent", {"title": each.training.title, "price_number": each.purchase.price}]
        for each in await purchases.bought_by(person_id)
    ]


async def _incentives(turn: Turn, wave_id: int, coming: list[Coming]) -> list[Line]:
    """Payments that were and will be made; before there is an incentive, what is missing for it."""
    lines = [_due(each, turn) for each in coming if each.kind != DueKind.BALANCE and each.status != DueStatus.DROPPED]
    if any(each.kind == DueKind.INCENTIVE for each in coming):
        return lines
    assert turn.person_id is not None
    terms = await dues.terms_of(wave_id, turn.programme)
    params = {"amount_number": terms.incentive, "count": terms.incentive_times}
    missing = await incentives.missing(turn.person_id)
    return [*lines, ["money.missing", params], *([f"money.missing_{name}", {}] for name in missing)]


def _due(each: Coming, turn: Turn) -> Line:
    params: dict[str, Any] = {"amount_number": each.amount, "what_label": f"money.{each.kind.value}"}
    if each.paid_at is not None:
        return ["money.paid", {**params, "paid_date": day_of(each.paid_at).isoformat()}]
    if each.sent:
        return ["money.sent", params]
    if each.due_at > turn.now:
        return ["money.due_later", {**params, "due_date": day_of(each.due_at).isoformat()}]
    return ["money.due_now", params]
