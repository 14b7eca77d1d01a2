"""The ledger: nothing is lost, doubled or overdrawn, whatever is posted in whatever order, and proof of it."""

import asyncio
import dataclasses

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.exceptions import BaseORMException
from tortoise.transactions import in_transaction

from domain.errors import DomainError
from domain.money import rules
from domain.money.actions import (
    allot,
    balance,
    post,
    problems,
    statement,
    totals,
    training_balance,
)
from domain.money.dues import grant, return_balance
from domain.programme import Budget
from models.enums import AccountKind
from models.money import LedgerAccount, Posting
from models.movement import Account, Movement
from tests.handlers.talk import NOON
from tests.trainings import KEPT_HERE

ALL_OF_A_PLACE = 3_550_000  # Rp1,000,000 for trainings, 4 x Rp600,000, 3 x Rp50,000

SIX = [Account(AccountKind.TREASURY), *(Account(AccountKind.TRAINING_BALANCE, number) for number in range(1, 6))]
MOVES = st.lists(
    st.builds(
        lambda key, sides, amount: Movement(str(key), SIX[sides[0]], SIX[sides[1]], amount),
        st.integers(0, 30),
        st.permutations(range(6)),
        st.integers(1, 100),
    ),
    max_size=40,
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moves=MOVES)
async def test_whatever_is_posted_each_key_counts_once_and_nobody_is_overdrawn(
    db: BaseDBAsyncClient, moves: list[Movement]
) -> None:
    await _empty(db)
    held, known = dict.fromkeys(SIX, 0), set[str]()
    for move in moves:
        fits = move.source.kind == AccountKind.TREASURY or held[move.source] >= move.amount
        try:
            async with in_transaction() as connection:
                new = await post(connection, [move], NOON)
            assert new == ({move.key} - known)
        except DomainError as error:
            assert error.code == "money.not_enough"
            assert not fits
            assert move.key not in known
            continue
        if move.key not in known:
            assert fits
            known.add(move.key)
            held[move.source] -= move.amount
            held[move.target] += move.amount
    assert {account: await balance(account) for account in SIX} == held
    assert await problems(db) == []


async def _empty(db: BaseDBAsyncClient) -> None:
    """Between examples; the trigger that forbids it is set aside."""
    if db.capabilities.dialect == "postgres":
        await db.execute_script("ALTER TABLE posting DISABLE TRIGGER USER")
        await Posting.all().delete()
        await db.execute_script("ALTER TABLE posting ENABLE TRIGGER USER")
    else:
        await db.execute_script("DROP TRIGGER IF EXISTS posting_no_delete")
        await Posting.all().delete()
    await LedgerAccount.all().delete()


async def test_a_wave_is_funded_its_people_get_balances_and_what_lapses_comes_back(db: BaseDBAsyncClient) -> None:
    programme = KEPT_HERE
    for _ in range(2):  # a crash between any two lines means doing it again
        async with in_transaction() as connection:
            await allot(connection, 1, 3, programme, NOON)
            await grant(connection, 1, [(11, 101), (12, 102)], programme, NOON)
            await post(connection, [rules.bought(7, 101, 5, 400_000)], NOON)
            await return_balance(connection, 1, [(11, 101), (12, 102)], NOON)
    assert await training_balance(101) == 0
    assert await balance(rules.vouchers_of(5)) == 400_000
    assert await balance(rules.wave_fund(1)) == 3 * ALL_OF_A_PLACE - 400_000
    assert await balance(rules.BUDGET) == programme.budget[0].amount - 3 * ALL_OF_A_PLACE
    assert [(line.key, line.amount, line.balance) for line in await statement(101)] == [
        ("grant:11", 1_000_000, 1_000_000),
        ("purchase:7", -400_000, 600_000),
        ("lapse:11", -600_000, 0),
    ]
    assert {kind: total for kind, _, total in await totals()}["voucher"] == 400_000


async def test_a_wave_that_the_budget_does_not_reach_is_not_funded(db: BaseDBAsyncClient) -> None:
    poor = dataclasses.replace(KEPT_HERE, budget=(Budget(NOON.date(), 3 * ALL_OF_A_PLACE - 1),))
    with pytest.raises(DomainError, match=r"staff\.budget_short"):
        async with in_transaction() as connection:
            await allot(connection, 1, 3, poor, NOON)
    assert await balance(rules.wave_fund(1)) == 0


async def test_the_database_itself_refuses_an_overdraft_and_a_changed_posting(db: BaseDBAsyncClient) -> None:
    async with in_transaction() as connection:
        await allot(connection, 1, 1, KEPT_HERE, NOON)
    for attempt in (
        LedgerAccount.filter(kind=AccountKind.WAVE_FUND).update(balance=-1),
        Posting.all().update(amount=1),
        Posting.all().delete(),
    ):
        with pytest.raises(BaseORMException):
            await attempt
    assert await problems(db) == []


async def test_an_auditor_is_told_of_a_balance_that_was_changed(db: BaseDBAsyncClient) -> None:
    async with in_transaction() as connection:
        await allot(connection, 1, 1, KEPT_HERE, NOON)
    await LedgerAccount.filter(kind=AccountKind.WAVE_FUND).update(balance=5)
    found = await problems(db)
    assert "all balances together are -3,549,995, not 0" in found
    assert "wave_fund 1: the balance says 5, its postings add up to 3,550,000" in found


async def test_many_who_spend_at_once_from_one_account_never_overdraw_it(db: BaseDBAsyncClient) -> None:
    async with in_transaction() as connection:
        await allot(connection, 1, 1, KEPT_HERE, NOON)
        await grant(connection, 1, [(1, 1)], KEPT_HERE, NOON)

    async def spend(number: int) -> bool:
        try:
            async with in_transaction() as connection:
                await post(connection, [rules.bought(number, 1, 5, 300_000)], NOON)
        except DomainError:
            return False
        return True

    done = await asyncio.gather(*(spend(number) for number in range(8)))
    assert sum(done) == 3
    assert await training_balance(1) == 100_000
