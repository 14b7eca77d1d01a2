"""Money: which accounts a business event moves rupiah between. Pure."""

from models.enums import AccountKind
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


def authorised(name: str, amount: int) -> Movement:
    """The budget that a rule of programme.toml authorises."""
    return Movement(f"budget:{name}", TREASURY, BUDGET, amount)


def allotted(wave_id: int, amount: int) -> Movement:
    """A wave's fund: a training balance for each of its places."""
    return Movement(f"allot:{wave_id}", BUDGET, wave_fund(wave_id), amount)


def granted(wave_id: int, place_id: int, person_id: int, amount: int) -> Movement:
    """The training balance of somebody who was selected."""
    return Movement(f"grant:{place_id}", wave_fund(wave_id), balance_of(person_id), amount)


def lapsed(wave_id: int, place_id: int, person_id: int, amount: int) -> Movement:
    """What is left of the balance when a place lapses goes back to the wave, for the reserve list."""
    return Movement(f"lapse:{place_id}", balance_of(person_id), wave_fund(wave_id), amount)


def bought(purchase_id: int, person_id: int, provider_id: int, price: int) -> Movement:
    """A training is bought."""
    return Movement(f"purchase:{purchase_id}", balance_of(person_id), vouchers_of(provider_id), price)


def cancelled(purchase_id: int, person_id: int, provider_id: int, price: int) -> Movement:
    """A purchase is taken back before its code was used."""
    return Movement(f"cancel:{purchase_id}", vouchers_of(provider_id), balance_of(person_id), price)


def redeemed(purchase_id: int, provider_id: int, price: int) -> Movement:
    """A redeem code was used: its provider is owed the price."""
    return Movement(f"redeem:{purchase_id}", vouchers_of(provider_id), owed_to(provider_id), price)


def surveyed(survey: str, person_id: int, amount: int) -> Movement:
    """A survey was answered, which earns an incentive once."""
    return Movement(f"survey:{survey}:{person_id}", BUDGET, incentives_of(person_id), amount)
