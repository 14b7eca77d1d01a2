"""What is posted to the ledger: plain data, without a database."""

from dataclasses import dataclass
from typing import NamedTuple

from models.enums import AccountKind


class Account(NamedTuple):
    """An account by what it holds and whose it is (0: nobody's in particular)."""

    kind: AccountKind
    subject_id: int = 0


@dataclass(frozen=True, slots=True)
class Movement:
    """``amount`` rupiah from one account to another. ``key`` is the business event: it is posted once for ever."""

    key: str
    source: Account
    target: Account
    amount: int


class OverdrawnError(Exception):
    """An account would fall below nothing: nothing was posted."""

    def __init__(self, account: Account) -> None:
        super().__init__(account.kind.value)
        self.account = account
