"""The programme's money. Balances come with the ledger; until then nobody has one that could be returned."""

from collections.abc import Sequence
from datetime import datetime


async def return_balance(person_ids: Sequence[int], wave_id: int, now: datetime) -> None:
    """Take back what is left of the training balances of places that lapsed, in the caller's transaction.

    There are no balances before there is a ledger, so there is nothing to take back yet.
    """
