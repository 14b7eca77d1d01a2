"""Batches without a bank: who may do what, what is left out, what stops, what comes twice, late or wrong."""

import asyncio
import dataclasses
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.exceptions import IntegrityError
from tortoise.transactions import in_transaction

from bot.gateways.payouts.bank_file import BankFileGateway
from bot.gateways.payouts.inquiry import HttpInquiry
from bot.payouts import Payouts
from domain.errors import DomainError
from domain.money import accounts, batches, dues, reconciling, rules, sending, settling
from domain.money.actions import balance, hold, hold_credits, post, problems, statement, training_balance
from domain.ports import PaymentAnswer, PaymentOrder
from handlers.conversation import Inbound
from handlers.engine import TurnResult
from models.enums import BatchStatus, DifferenceKind, DueStatus, PaymentOutcome, PaymentStatus
from models.movement import Movement
from models.notice import Notice
from models.payout import Difference, Due, PayeeAccount, Payment, PayoutBatch
from tests.handlers.talk import NOON
from tests.payouts.bank import PROGRAMME, link_all, wave_of

PAID, FAILED, BOUNCED = PaymentOutcome.PAID, PaymentOutcome.FAILED, PaymentOutcome.BOUNCED
LATER = NOON + timedelta(hours=1)


async def prepared(db: BaseDBAsyncClient, count: int = 3) -> PayoutBatch:
    """People with accounts, and a batch that was checked."""
    people = await wave_of(db, count, NOON)
    await link_all(people, NOON)
    return await checked(db)


async def checked(db: BaseDBAsyncClient) -> PayoutBatch:
    batch = (await batches.prepare(db, "balance", 1, "file", "ani", NOON, 1)).batch
    assert (await batches.check(db, batch, PROGRAMME, "ani", NOON)).problems == []
    return await batches.batch_numbered(batch.id)


async def sent(db: BaseDBAsyncClient, count: int = 3) -> tuple[PayoutBatch, list[str]]:
    """A batch whose payments are with the gateway; gives their references."""
    batch = await prepared(db, count)
    return batch, await send(db, batch)


async def send(db: BaseDBAsyncClient, batch: PayoutBatch) -> list[str]:
    await batches.approve(db, batch, PROGRAMME, "budi", NOON)
    await batches.start(batch, "budi", NOON)
    taken = await sending.take(batch, 500, NOON)
    return [order.reference for order in taken.orders] if taken else []


async def says(
    reference: str, outcome: PaymentOutcome, amount: int = 1_000_000, by: str = "callback", **more: Any
) -> None:
    """One answer of the gateway."""
    await settling.hear("file", [PaymentAnswer(reference, outcome, amount, **more)], by, LATER)


async def _tried(work: Any) -> str:
    try:
        await work
    except DomainError as error:
        return error.code
    return "done"


# --- who may do what


async def test_a_gateway_that_fails_once_is_tried_again(db: BaseDBAsyncClient, tmp_path: Path) -> None:
    class Moody(BankFileGateway):
        portion = 1
        calls = 0

        async def send(self, batch: str, orders: Sequence[PaymentOrder]) -> list[PaymentAnswer]:
            Moody.calls += 1
            if Moody.calls == 1:
                raise OSError("stale file handle")
            return await super().send(batch, orders)

    batch = await prepared(db, 3)
    await batches.approve(db, batch, PROGRAMME, "budi", NOON)
    await batches.start(batch, "budi", NOON)
    gateway, moment = Moody(tmp_path, "csv", HttpInquiry("", "")), [NOON]
    work = Payouts(db, gateway, lambda: moment[0], nobody, lambda: None)
    async with asyncio.TaskGroup() as group, asyncio.timeout(20):
        running = group.create_task(work.run())
        while await Payment.filter(status=PaymentStatus.SUBMITTED).count() < 3:
            moment[0] += timedelta(seconds=30)  # the leases of what was broken off end
            await asyncio.sleep(0.1)
        running.cancel()
    assert Moody.calls > 1


async def test_who_prepared_cannot_approve_and_of_two_who_do_one_is_refused(db: BaseDBAsyncClient) -> None:
    batch = await prepared(db)
    assert await _tried(batches.approve(db, batch, PROGRAMME, "ani", NOON)) == "staff.batch_same_staff"
    at_once = [
        batches.approve(db, await batches.batch_numbered(batch.id), PROGRAMME, name, NOON) for name in ("b", "c")
    ]
    assert sorted(await asyncio.gather(*(_tried(each) for each in at_once))) == ["done", "staff.batch_order"]
    batch = await batches.batch_numbered(batch.id)
    assert batch.approved_by in ("b", "c")
    assert await _tried(batches.close(batch, "ani", NOON)) == "staff.batch_order"


async def test_what_was_changed_after_the_check_is_not_approved(db: BaseDBAsyncClient) -> None:
    batch = await prepared(db)
    await Payment.filter(id=1).update(amount=9_000_000)
    assert await _tried(batches.approve(db, batch, PROGRAMME, "budi", NOON)) == "staff.batch_changed"


async def test_a_check_finds_what_stands_against_a_batch(db: BaseDBAsyncClient) -> None:
    await link_all(await wave_of(db, 3, NOON), NOON)
    batch = (await batches.prepare(db, "balance", 1, "file", "ani", NOON, 1)).batch
    limits = dataclasses.replace(PROGRAMME.payouts, most_each=999_999, most_batch=2_000_000)
    await PayeeAccount.filter(payee_id=2).update(live=None)
    found = await batches.check(db, batch, dataclasses.replace(PROGRAMME, payouts=limits), "ani", NOON)
    assert found.problems == [
        "a payment of Rp1,000,000 is above the limit of Rp999,999",
        "all together Rp3,000,000 are above the limit of Rp2,000,000",
        "1 payments go to an account that was taken out since: prepare the batch anew",
    ]
    assert (await batches.batch_numbered(batch.id)).status == BatchStatus.PREPARED


async def test_preparing_again_or_at_once_or_with_the_clock_set_back_never_doubles(db: BaseDBAsyncClient) -> None:
    await link_all((await wave_of(db, 5, NOON))[:4], NOON)
    moments = (NOON, NOON, NOON - timedelta(days=2), LATER)
    made = await asyncio.gather(*(batches.prepare(db, "balance", 1, "file", "ani", at, 1) for at in moments))
    assert {each.batch.id for each in made} == {made[0].batch.id}
    assert await Payment.all().count() == 4
    assert made[0].without_account == 1
    with pytest.raises(IntegrityError):  # the database itself takes no second live attempt
        await Payment.create(due_id=1, batch_id=1, reference="X", account_id=1, amount=1)


# --- sending


async def test_paused_and_stopped_send_nothing_and_what_was_not_sent_is_due_as_before(db: BaseDBAsyncClient) -> None:
    batch = await prepared(db, 4)
    await batches.approve(db, batch, PROGRAMME, "budi", NOON)
    await batches.start(batch, "budi", NOON)
    taken = await sending.take(batch, 1, NOON)
    assert taken is not None
    assert len(taken.orders) == 1
    await batches.pause(batch, "budi", NOON)
    assert await sending.take(batch, 500, NOON) is None
    assert await batches.stop(batch, "budi", "wrong day", NOON) == 3
    assert await sending.take(batch, 500, NOON) is None
    await says(taken.orders[0].reference, PAID)
    assert await Due.filter(status=DueStatus.OPEN).count() == 3
    following = (await batches.prepare(db, "balance", 1, "file", "ani", LATER, 1)).batch
    assert following.id != batch.id
    assert await Payment.filter(batch_id=following.id).count() == 3
    assert await problems(db) == []


async def test_an_account_taken_out_between_check_and_payment_is_not_paid(db: BaseDBAsyncClient) -> None:
    batch = await prepared(db)
    await batches.approve(db, batch, PROGRAMME, "budi", NOON)
    await batches.start(batch, "budi", NOON)
    await PayeeAccount.filter(payee_id=2).update(live=None)
    taken = await sending.take(batch, 500, NOON)
    assert taken is not None
    assert len(taken.orders) == 2
    assert [row.reason for row in await Payment.filter(status=PaymentStatus.FAILED)] == ["account_unlinked"]
    assert await balance(rules.credit_of(2)) == 1_000_000
    assert await problems(db) == []


async def test_a_place_that_lapsed_after_the_check_is_not_paid(db: BaseDBAsyncClient) -> None:
    batch = await prepared(db)
    async with in_transaction() as connection:
        await hold_credits(connection, [2])
        await hold(connection, [2])
        await dues.return_balance(connection, 1, [(2, 2)], NOON)
    assert await _tried(batches.approve(db, batch, PROGRAMME, "budi", NOON)) == "staff.batch_changed"
    await PayoutBatch.filter(id=batch.id).update(status=BatchStatus.SUBMITTING)
    taken = await sending.take(batch, 500, NOON)
    assert taken is not None
    assert len(taken.orders) == 2
    assert (await Payment.get(due_id=2)).status == PaymentStatus.DROPPED
    assert await problems(db) == []


async def test_an_unlinked_account_with_a_payment_under_way_stays(db: BaseDBAsyncClient) -> None:
    _, references = await sent(db, 1)
    assert await _tried(accounts.unlink(1, NOON)) == "account.in_use"
    await says(references[0], FAILED, 0, reason="institution_down")
    assert await _tried(accounts.unlink(1, NOON)) == "done"
    assert await _tried(accounts.unlink(1, NOON)) == "account.none"


# --- what the bank says


async def test_answers_that_come_twice_late_or_out_of_order_count_once(db: BaseDBAsyncClient) -> None:
    _, (first, second, third) = await sent(db)
    for outcome in (PAID, PAID, PaymentOutcome.ACCEPTED, PAID):
        await says(first, outcome)
    for outcome in (FAILED, PaymentOutcome.ACCEPTED, FAILED):
        await says(second, outcome, 0, reason="institution_down")
    both = [PaymentAnswer(third, each, 1_000_000) for each in (PaymentOutcome.ACCEPTED, PAID, PAID)]
    await settling.hear("file", both, "callback", LATER)
    assert [await training_balance(number) for number in (1, 2, 3)] == [1_000_000, 0, 1_000_000]
    assert await Notice.filter(kind="balance_credited").count() == 2
    assert await Difference.all().count() == 0
    assert await problems(db) == []


@pytest.mark.parametrize(
    ("before", "outcome", "amount", "what"),
    [
        (None, PAID, 999_999, DifferenceKind.AMOUNT),
        (FAILED, PAID, 1_000_000, DifferenceKind.CONTRADICTION),
        (PAID, FAILED, 0, DifferenceKind.CONTRADICTION),
    ],
)
async def test_what_does_not_agree_is_kept_and_nothing_is_adjusted(
    db: BaseDBAsyncClient, before: PaymentOutcome | None, outcome: PaymentOutcome, amount: int, what: DifferenceKind
) -> None:
    batch, (reference,) = await sent(db, 1)
    if before is not None:
        await says(reference, before)
    held = [await training_balance(1), await balance(rules.credit_of(1)), await balance(rules.in_flight(batch.id))]
    for _ in range(2):
        await says(reference, outcome, amount)
    found = await Difference.all().get()
    assert (found.what, found.batch_id) == (what, batch.id)
    assert held == [
        await training_balance(1), await balance(rules.credit_of(1)), await balance(rules.in_flight(batch.id)),
    ]  # fmt: skip
    assert await problems(db) == []


async def test_a_payment_whose_end_is_disputed_is_not_paid_again_before_it_is_explained(db: BaseDBAsyncClient) -> None:
    _, (reference,) = await sent(db, 1)
    await says(reference, FAILED, 0)
    await says(reference, PAID)
    assert (await batches.prepare(db, "balance", 1, "file", "ani", LATER, 1)).added == 0
    found = await Difference.all().get()
    assert await _tried(batches.explain(found.id, " ", "citra", LATER)) == "staff.no_words"
    assert await _tried(batches.explain(found.id, "who knows", "citra", LATER)) == "staff.needs_outcome"
    assert await _tried(settling.decide(found.id, False, "no", "Ani ", LATER)) == "staff.batch_same_staff"
    await settling.decide(found.id, False, "the bank took it back by hand", "citra", LATER)
    assert await _tried(settling.decide(found.id, True, "again", "citra", LATER)) == "staff.no_difference"
    assert (await batches.prepare(db, "balance", 1, "file", "ani", LATER, 1)).added == 1
    assert await problems(db) == []


@pytest.mark.parametrize("paid", [True, False])
@pytest.mark.parametrize(
    "said", [(FAILED, 0, PAID, 1_000_000), (PAID, 1_000_000, FAILED, 0), (PAID, 999_999, PAID, 999_999)]
)
async def test_staff_say_how_a_disputed_payment_ended_and_the_ledger_follows(
    db: BaseDBAsyncClient, said: tuple[Any, ...], paid: bool
) -> None:
    batch, (reference,) = await sent(db, 1)
    await says(reference, said[0], said[1])
    await says(reference, said[2], said[3])
    found = await Difference.all().get()
    await settling.decide(found.id, paid, "asked the bank", "citra", LATER)
    assert await training_balance(1) == (1_000_000 if paid else 0)
    assert await balance(rules.credit_of(1)) == (0 if paid else 1_000_000)
    assert await balance(rules.in_flight(batch.id)) == 0
    assert (await batches.prepare(db, "balance", 1, "file", "ani", LATER, 1)).added == (0 if paid else 1)
    assert await problems(db) == []


async def test_a_dispute_is_not_decided_as_paid_where_it_was_paid_again_by_then(db: BaseDBAsyncClient) -> None:
    _, (reference,) = await sent(db, 1)
    await says(reference, FAILED, 0)
    [second] = await send(db, await checked(db))
    await says(second, PAID)
    await says(reference, PAID)  # late: now it was paid twice, by the bank
    found = await Difference.all().get()
    assert await _tried(settling.decide(found.id, True, "yes", "citra", LATER)) == "staff.payment_reissued"
    await settling.decide(found.id, False, "the bank takes it back", "citra", LATER)
    assert await problems(db) == []


async def test_paid_and_sent_back_in_one_statement_is_owed_again(db: BaseDBAsyncClient) -> None:
    _, (first, second) = await sent(db, 2)
    lines = [PaymentAnswer(first, each, 1_000_000, line=f"L{each}") for each in (PAID, BOUNCED)]
    await settling.hear("file", lines, "statement", LATER)
    await says(second, BOUNCED)  # heard in the wrong order
    await says(second, PAID)
    assert await Difference.all().count() == 0
    assert [await training_balance(number) for number in (1, 2)] == [0, 0]
    assert await Due.filter(status=DueStatus.OPEN).count() == 2
    assert await problems(db) == []


async def test_one_whose_ledger_is_short_stops_nobody_else(db: BaseDBAsyncClient) -> None:
    batch = await prepared(db)
    await batches.approve(db, batch, PROGRAMME, "budi", NOON)
    await batches.start(batch, "budi", NOON)
    async with in_transaction() as connection:
        await post(connection, [Movement("odd", rules.credit_of(2), rules.wave_fund(1), 1)], NOON)
    taken = await sending.take(batch, 500, NOON)
    assert taken is not None
    assert len(taken.orders) == 2
    assert (await Payment.get(due_id=2)).reason == "not_covered"
    assert any("balance_payable 2" in each for each in await problems(db))


async def test_who_added_to_a_batch_has_prepared_it_too(db: BaseDBAsyncClient) -> None:
    await link_all((await wave_of(db, 3, NOON))[:1], NOON)
    await batches.prepare(db, "balance", 1, "file", "ani", NOON, 1)
    await link_all([2, 3], NOON)
    await batches.prepare(db, "balance", 1, "file", "budi", NOON, 1)
    batch = await checked(db)
    for staff, said in (("Ani", "staff.batch_same_staff"), ("budi ", "staff.batch_same_staff"), ("citra", "done")):
        assert await _tried(batches.approve(db, batch, PROGRAMME, staff, NOON)) == said


async def test_a_lease_of_a_clock_that_was_ahead_or_of_somebody_else_harms_nothing(db: BaseDBAsyncClient) -> None:
    batch, _ = await sent(db, 1)
    lease = timedelta(minutes=1)
    ahead = NOON + timedelta(days=365)
    assert await batches.to_work_on("file", 0, "a", ahead, lease) is not None
    assert await batches.to_work_on("file", 0, "b", NOON, lease) is not None
    await batches.give_back(batch.id, "a")  # it wakes up: the lease is b's
    assert not await batches.keep_lease(batch.id, "a", NOON + lease)
    assert await batches.to_work_on("file", 0, "c", NOON, lease) is None
    assert await batches.keep_lease(batch.id, "b", NOON + lease)


async def test_the_proof_finds_dues_that_were_tampered_with(db: BaseDBAsyncClient) -> None:
    _, (first, _) = await sent(db, 2)
    await says(first, PAID)
    assert await problems(db) == []
    for change, undo in (
        ({"status": "open", "paid_at": None}, {"status": "paid", "paid_at": LATER}),
        ({"amount": 5}, {"amount": 1_000_000}),
        ({"key": "balance:77"}, {"key": "balance:1"}),
    ):
        await Due.filter(id=1).update(**change)
        assert await problems(db) != []
        await Due.filter(id=1).update(**undo)
    await Due.create(
        key="incentive:9:9", kind="incentive", payee="person", payee_id=9, amount=600_000, due_at=NOON, made_at=NOON
    )
    assert await problems(db) != []


async def test_a_statement_of_a_person_shows_each_movement_once(db: BaseDBAsyncClient) -> None:
    _, (first,) = await sent(db, 1)
    for outcome in (PAID, BOUNCED):
        await says(first, outcome)
    lines = [(line.key.split(":")[0], line.account, line.balance) for line in await statement(1)]
    assert lines == [
        ("grant", "balance_payable", 1_000_000),
        ("send", "balance_payable", 0),
        ("paid", "training_balance", 1_000_000),
        ("bounced", "training_balance", 0),
        ("bounced", "balance_payable", 1_000_000),
    ]


async def test_strangers_and_other_gateways_change_nothing(db: BaseDBAsyncClient) -> None:
    _, (reference,) = await sent(db, 1)
    await says("GLB-NOBODYS", PAID, 5)
    await settling.hear("sandbox", [PaymentAnswer(reference, PAID, 1_000_000)], "callback", LATER)
    await settling.hear("sandbox", [PaymentAnswer("GLB-X", PaymentOutcome.ACCEPTED)], "callback", LATER)
    assert [row.what for row in await Difference.all()] == ["stranger", "stranger"]
    assert (await Payment.get(reference=reference)).status == PaymentStatus.SUBMITTING


async def test_what_bounces_is_owed_again_and_what_was_spent_by_then_is_a_difference(db: BaseDBAsyncClient) -> None:
    _, (first, second) = await sent(db, 2)
    for reference in (first, second):
        await says(reference, PAID)
    async with in_transaction() as connection:
        await post(connection, [rules.bought(7, 2, 5, 400_000)], NOON)
    for reference in (first, second):
        await says(reference, BOUNCED, reason="account_closed")
    assert await balance(rules.credit_of(1)) == 1_000_000
    assert await training_balance(2) == 600_000
    assert [row.what for row in await Difference.all()] == ["spent"]
    assert [row.payee_id for row in await Due.filter(status=DueStatus.OPEN)] == [1]
    # No purchase stands behind what was spent here, and the proof notices.
    said = "person 2: 1,000,000 were credited to their account, 600,000 are accounted for"
    assert await problems(db) == [said]


async def test_a_closed_account_is_taken_out_and_its_owner_is_told_to_link_another(db: BaseDBAsyncClient) -> None:
    _, (first, _) = await sent(db, 2)
    await says(first, FAILED, 0, reason="account_closed")
    assert [notice.person_id for notice in await Notice.filter(kind="payment_failed")] == [1]
    assert (await PayeeAccount.get(payee_id=1)).live is None
    await accounts.may_link(1, PROGRAMME.accounts, NOON)  # at once


# --- the statement


async def test_a_statement_is_compared_line_by_line(db: BaseDBAsyncClient) -> None:
    batch, (first, second, third) = await sent(db)
    assert await _tried(reconciling.reconcile(db, batch, "ani", LATER)) == "staff.batch_open"
    lines = [
        PaymentAnswer(first, PAID, 1_000_000, line="L1"),
        PaymentAnswer(first, PAID, 1_000_000, line="L2"),  # twice
        PaymentAnswer("GLB-NOBODYS", PAID, 7, line="L3"),
    ]
    for _ in range(2):  # imported again
        await settling.hear("file", lines, "statement", LATER)
    await says(second, PAID)
    await says(third, FAILED, 0)
    batch = await batches.batch_numbered(batch.id)
    assert await reconciling.reconcile(db, batch, "ani", LATER) == 2
    batch = await batches.batch_numbered(batch.id)
    assert sorted(row.what for row in await Difference.all()) == ["missing", "stranger", "twice"]
    assert await _tried(batches.close(batch, "ani", LATER)) == "staff.batch_differs"
    for row in await batches.open_differences(batch.id):
        await batches.explain(row.id, "asked the bank", "citra", LATER)
    await batches.close(batch, "ani", LATER)
    assert await problems(db) == []


async def test_a_payment_is_followed_back_to_its_cause(db: BaseDBAsyncClient) -> None:
    _, (reference,) = await sent(db, 1)
    await says(reference, FAILED, 0, reason="institution_down")
    batch = await checked(db)
    [second] = await send(db, batch)
    await says(second, PAID, gateway_id="SB1")
    found = await batches.trace(second)
    assert [row.reference for row in found.attempts] == [reference, second]
    assert list(batches.causes(found.due)) == ["grant:1"]
    assert [(event.status, event.by) for event in found.events] == [
        ("prepared", "ani"), ("checked", "ani"), ("approved", "budi"), ("submitting", "budi"),
    ]  # fmt: skip
    assert await _tried(batches.trace("GLB-X")) == "staff.no_payment"


async def test_a_full_disk_loses_nothing(db: BaseDBAsyncClient) -> None:
    """An answer that could not be written is heard again; what was sent is asked about."""
    if db.capabilities.dialect != "sqlite":
        pytest.skip("PostgreSQL's disk can't be made full here: the transaction fails there in the same way")
    batch, (reference, *_) = await sent(db, 40)
    pages = (await db.execute_query_dict("PRAGMA page_count"))[0]["page_count"]
    await db.execute_query(f"PRAGMA max_page_count = {pages}")
    answers = [PaymentAnswer(row.reference, PAID, 1_000_000, "x" * 60) for row in await Payment.all()]
    with pytest.raises(Exception, match="full"):
        await settling.hear("file", answers, "callback", LATER)
    await db.execute_query("PRAGMA max_page_count = 1000000")
    assert (await Payment.get(reference=reference)).status == PaymentStatus.SUBMITTING
    assert await sending.to_ask_about(db, batch, None, 50, NOON) == []
    assert len(await sending.to_ask_about(db, batch, None, 50, LATER)) == 40
    await settling.hear("file", answers, "inquiry", LATER)
    assert await Payment.filter(status=PaymentStatus.PAID).count() == 40
    assert await problems(db) == []


# --- the worker


async def test_a_batch_that_waits_or_is_paused_holds_no_other_up(db: BaseDBAsyncClient, tmp_path: Path) -> None:
    gateway = BankFileGateway(tmp_path, "csv", HttpInquiry("", ""))
    work = Payouts(db, gateway, lambda: LATER, nobody, lambda: None)
    async with asyncio.TaskGroup() as group:
        hearing = group.create_task(work.ear.run())
        first, _ = await sent(db, 3)  # waits for the bank's statement
        await wave_of(db, 6, NOON, wave_id=2)
        await link_all([4, 5, 6], NOON)
        second = (await batches.prepare(db, "balance", 2, "file", "ani", NOON, 2)).batch
        assert (await batches.check(db, second, PROGRAMME, "ani", NOON)).problems == []
        second = await batches.batch_numbered(second.id)
        await batches.approve(db, second, PROGRAMME, "budi", NOON)
        await batches.start(second, "budi", NOON)
        for _ in range(2):
            await work.sweep()
        hearing.cancel()
    assert await Payment.filter(batch_id=second.id, status=PaymentStatus.SUBMITTED).count() == 3
    assert gateway.path(second.name).exists()
    assert first.id < second.id


async def test_only_what_the_gateway_never_heard_of_is_handed_over_again_under_its_reference(
    db: BaseDBAsyncClient,
) -> None:
    _, (first, second, third) = await sent(db)
    await says(first, PaymentOutcome.UNKNOWN, 0)
    await says(second, PaymentOutcome.ACCEPTED, 0)
    await says(third, PAID)
    again = await sending.again([first, second, third], LATER)
    assert [order.reference for order in again] == [first]
    await says(second, PaymentOutcome.ABSENT, 0)  # it had accepted it: nothing is sent, staff are told
    assert [row.what for row in await Difference.all()] == ["contradiction"]


async def test_of_a_stopped_batch_nothing_is_handed_over_again(db: BaseDBAsyncClient, tmp_path: Path) -> None:
    moment = NOON
    folder = tmp_path / "files"
    work = Payouts(db, BankFileGateway(folder, "csv", HttpInquiry("", "")), lambda: moment, nobody, lambda: None)
    async with asyncio.TaskGroup() as group:
        hearing = group.create_task(work.ear.run())
        batch, _ = await sent(db, 2)  # claimed, and the process died before it wrote the file
        await batches.stop(batch, "budi", "wrong day", NOON)
        for minutes, status in ((5, PaymentStatus.UNKNOWN), (20, PaymentStatus.FAILED)):
            moment = NOON + timedelta(minutes=minutes)
            await work.sweep()
            assert await Payment.filter(status=status).count() == 2
        hearing.cancel()
    assert not folder.exists()
    assert await balance(rules.credit_of(1)) == 1_000_000
    assert await problems(db) == []


async def nobody(inbound: Inbound) -> TurnResult:
    return TurnResult([])
