"""Money: which accounts a business event moves rupiah between. Pure."""

from models.enums import AccountKind, DueKind
from models.movement import Account, Movement

TREASURY, BUDGET = Account(AccountKind.TREASURY), Account(AccountKind.BUDGET)


def wave_fund(wave_id: int) -> Account:
    """What is allotted to a wave and in nobody's hands."""
    return Account(AccountKind.WAVE_FUND, wave_id)


def balance_of(person_id: int) -> Account:
    """A participant's training balance (saldo pelatihan)."""
    return Account(AccountKind.TRAINING_BALANCE, person_id)


def incentives_of(person_id: int) -> Account:
    """What a participant is to be paid."""
    return Account(AccountKind.INCENTIVE_PAYABLE, person_id)


def vouchers_of(provider_id: int) -> Account:
    """Trainings of a provider that are bought and not redeemed."""
    return Account(AccountKind.VOUCHER, provider_id)


def owed_to(provider_id: int) -> Account:
    """What a provider is owed for redeemed codes."""
    return Account(AccountKind.PROVIDER_PAYABLE, provider_id)


def credit_of(person_id: int) -> Account:
    """A training balance that is to be credited to a participant's account."""
    return Account(AccountKind.BALANCE_PAYABLE, person_id)


def in_flight(batch_id: int) -> Account:
    """Payments of a batch that the gateway has and that are not final."""
    return Account(AccountKind.IN_FLIGHT, batch_id)


def paid_by(batch_id: int) -> Account:
    """What a batch has paid."""
    return Account(AccountKind.PAID, batch_id)


def authorised(name: str, amount: int) -> Movement:
    """The budget that a rule of programme.toml authorises."""
    return Movement(f"budget:{name}", TREASURY, BUDGET, amount)


def allotted(wave_id: int, amount: int) -> Movement:
    """A wave's fund: for each of its places, all that a participant may come to get."""
    return Movement(f"allot:{wave_id}", BUDGET, wave_fund(wave_id), amount)


def granted(wave_id: int, place_id: int, person_id: int, amount: int, *, held_by: str) -> Movement:
    """The training balance of somebody who was selected: theirs to spend, or first to be credited to their account."""
    target = credit_of(person_id) if held_by == "account" else balance_of(person_id)
    return Movement(f"grant:{place_id}", wave_fund(wave_id), target, amount)


def lapsed(wave_id: int, place_id: int, person_id: int, amount: int) -> Movement:
    """What is left of the balance when a place lapses goes back to the wave, for the reserve list."""
    return Movement(f"lapse:{place_id}", balance_of(person_id), wave_fund(wave_id), amount)


def lapsed_uncredited(wave_id: int, place_id: int, person_id: int, amount: int) -> Movement:
    """The same of a balance that never came to an account."""
    return Movement(f"lapse-uncredited:{place_id}", credit_of(person_id), wave_fund(wave_id), amount)


def expired(place_id: int, person_id: int, year: int, day: str, amount: int) -> Movement:
    """What is left of a balance at the end of the year goes back to the state. ``day``: a purchase that is taken back
    later brings something to it again, which expires, too.
    """
    return Movement(f"expire:{place_id}:{day}", balance_of(person_id), Account(AccountKind.RETURNED, year), amount)


def expired_uncredited(place_id: int, person_id: int, year: int, day: str, amount: int) -> Movement:
    """The same of a balance that never came to an account."""
    returned = Account(AccountKind.RETURNED, year)
    return Movement(f"expire-uncredited:{place_id}:{day}", credit_of(person_id), returned, amount)


def bought(purchase_id: int, person_id: int, provider_id: int, price: int) -> Movement:
    """A training is bought."""
    return Movement(f"purchase:{purchase_id}", balance_of(person_id), vouchers_of(provider_id), price)


def cancelled(purchase_id: int, person_id: int, provider_id: int, price: int) -> Movement:
    """A purchase is taken back before its code was used."""
    return Movement(f"cancel:{purchase_id}", vouchers_of(provider_id), balance_of(person_id), price)


def redeemed(purchase_id: int, provider_id: int, price: int) -> Movement:
    """A redeem code was used: its provider is owed the price."""
    return Movement(f"redeem:{purchase_id}", vouchers_of(provider_id), owed_to(provider_id), price)


def earned(key: str, wave_id: int, person_id: int, amount: int) -> Movement:
    """An incentive that somebody has earned; ``key`` is that of its due, such as "incentive:1:42"."""
    return Movement(key, wave_fund(wave_id), incentives_of(person_id), amount)


# --- payments

_PAYABLE = {
    DueKind.BALANCE: credit_of,
    DueKind.INCENTIVE: incentives_of,
    DueKind.SURVEY: incentives_of,
    DueKind.SETTLEMENT: owed_to,
}


def sent(payment_id: int, kind: DueKind, payee_id: int, batch_id: int, amount: int) -> Movement | None:
    """A payment is handed to the gateway. A collection moves nothing here: what was spent or lapsed was posted then."""
    source = _PAYABLE.get(kind)
    if source is None:
        return None
    return Movement(f"send:{payment_id}", source(payee_id), in_flight(batch_id), amount)


def paid(payment_id: int, kind: DueKind, payee_id: int, batch_id: int, amount: int) -> Movement | None:
    """A payment has arrived: a credited balance can be spent from now on, everything else has left the programme."""
    if kind not in _PAYABLE:
        return None
    target = balance_of(payee_id) if kind == DueKind.BALANCE else paid_by(batch_id)
    return Movement(f"paid:{payment_id}", in_flight(batch_id), target, amount)


def found(payment_id: int, kind: DueKind, payee_id: int, batch_id: int, amount: int) -> Movement | None:
    """Staff found that a payment that was taken for failed had arrived."""
    source = _PAYABLE.get(kind)
    if source is None:
        return None
    target = balance_of(payee_id) if kind == DueKind.BALANCE else paid_by(batch_id)
    return Movement(f"paid:{payment_id}", source(payee_id), target, amount)


def unpaid(payment_id: int, kind: DueKind, payee_id: int, batch_id: int, amount: int) -> Movement | None:
    """A payment failed for good: it is owed as before."""
    source = _PAYABLE.get(kind)
    if source is None:
        return None
    return Movement(f"unpaid:{payment_id}", in_flight(batch_id), source(payee_id), amount)


def bounced(payment_id: int, kind: DueKind, payee_id: int, batch_id: int, amount: int) -> Movement | None:
    """A payment came back after it had arrived: it is owed as before."""
    source = _PAYABLE.get(kind)
    if source is None:
        return None
    origin = balance_of(payee_id) if kind == DueKind.BALANCE else paid_by(batch_id)
    return Movement(f"bounced:{payment_id}", origin, source(payee_id), amount)
