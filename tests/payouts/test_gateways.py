"""What each gateway's adapter makes of what the other side says: tables, and real HTTP to stand-ins."""

import json
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, web

from bot.gateways.payouts import sandbox, xendit
from bot.gateways.payouts.bank_file import BadLineError, BankFileGateway, read_statement
from bot.gateways.payouts.inquiry import HttpInquiry
from bot.gateways.payouts.pace import Pace
from bot.gateways.payouts.sandbox import SandboxGateway
from bot.gateways.payouts.xendit import XenditGateway
from bot.payouts import Ear, PayoutDesk
from bot.sandbox_bank.server import signature
from bot.web import application
from domain import clock
from domain.ports import AccountQuestion, GatewayUnavailableError, PaymentAnswer, PaymentOrder
from models.enums import Match, PaymentOutcome
from tests.handlers.talk import NOON
from tests.payouts.bank import SECRET, sandbox_bank
from tests.peers.xendit import KEY, xendit_peer
from tools.cluster import free_port

QUESTION = AccountQuestion("ovo", "628120000001111", "Siti Aminah", "+628120000001111")
ACCEPTED, PAID, FAILED = PaymentOutcome.ACCEPTED, PaymentOutcome.PAID, PaymentOutcome.FAILED
UNKNOWN, ABSENT, BOUNCED = PaymentOutcome.UNKNOWN, PaymentOutcome.ABSENT, PaymentOutcome.BOUNCED


def order(reference: str, number: str = "6281200011111", **more: Any) -> PaymentOrder:
    return PaymentOrder(reference, "ovo", number, "Siti Aminah", 50_000, **more)


# --- the sandbox bank


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        ("1111", (True, True, Match.MATCH)),
        ("0000", (False, True, Match.MATCH)),
        ("0001", (True, True, Match.MISMATCH)),
        ("0002", (True, False, Match.MATCH)),
    ],
)
async def test_an_account_is_asked_about(tmp_path: Path, end: str, expected: tuple[bool, bool, Match]) -> None:
    async with sandbox_bank(tmp_path) as url:
        gateway = SandboxGateway(url, SECRET, side_by_side=2, a_second=0)
        found = await gateway.inquire(AccountQuestion("ovo", f"62812000{end}", "Siti", "+62"))
        await gateway.close()
        assert (found.exists, found.is_open, found.name) == expected


async def test_the_same_reference_is_one_payment_and_another_amount_is_refused(tmp_path: Path) -> None:
    async with sandbox_bank(tmp_path, settle_seconds=0) as url:
        gateway = SandboxGateway(url, SECRET, side_by_side=2, a_second=0)
        first, second = [(await gateway.send("b", [order("GLB-1")]))[0] for _ in range(2)]
        assert (first.outcome, first.gateway_id) == (ACCEPTED, second.gateway_id)
        other = PaymentOrder("GLB-1", "ovo", "6281200011111", "Siti Aminah", 60_000)
        [refused] = await gateway.send("b", [other])
        assert (refused.outcome, refused.reason) == (UNKNOWN, "idempotency_key")
        assert (await gateway.find("GLB-9")).outcome == ABSENT
        lines = [line async for line in gateway.statement(NOON.replace(year=2020))]
        assert [(line.reference, line.outcome, line.amount) for line in lines] == [("GLB-1", PAID, 50_000)]
        await gateway.close()


async def test_a_bank_that_is_away_or_closed_for_the_day_took_nothing_for_sure(tmp_path: Path) -> None:
    gateway = SandboxGateway(f"http://127.0.0.1:{free_port()}", SECRET, side_by_side=2, a_second=0)
    assert [(a.outcome, a.reason) for a in await gateway.send("b", [order("GLB-1")])] == [(UNKNOWN, "no_connection")]
    for ask in (gateway.find("GLB-1"), gateway.inquire(QUESTION), anext(gateway.statement(NOON))):
        with pytest.raises(GatewayUnavailableError):
            await ask
    await gateway.close()
    async with sandbox_bank(tmp_path, cut_off="00:00-23:59") as url:
        gateway = SandboxGateway(url, SECRET, side_by_side=2, a_second=0)
        [answer] = await gateway.send("b", [order("GLB-1")])
        assert (answer.outcome, answer.reason) == (UNKNOWN, "cut_off")
        assert (await gateway.find("GLB-1")).outcome == ABSENT  # so it is handed over again
        await gateway.close()


async def test_a_pace_is_kept() -> None:
    pace, begun = Pace(200), time.monotonic()
    for _ in range(41):
        await pace.slot()
    assert time.monotonic() - begun >= 0.2


# --- callbacks


CALLBACK = json.dumps({"id": "SB1", "reference": "GLB-1", "status": "paid", "amount": 5}).encode()


@pytest.mark.parametrize(
    ("signed", "late", "body", "taken"),
    [
        (CALLBACK, 0, CALLBACK, True),
        (CALLBACK, 0, CALLBACK.replace(b"5", b"6"), False),
        (CALLBACK, -1_000, CALLBACK, False),
        (CALLBACK, 4_000, CALLBACK, False),
        (b"{", 0, b"{", False),
        (b'{"id":1}', 0, b'{"id":1}', False),
    ],
    ids=["good", "changed", "old", "from the future", "broken", "incomplete"],
)
def test_only_a_callback_that_is_signed_fresh_and_readable_is_taken(
    signed: bytes, late: int, body: bytes, taken: bool
) -> None:
    stamp = str(int(time.time()) + late)
    assert (sandbox.read_callback(SECRET, stamp, signature(SECRET, stamp, signed), body) is not None) == taken


@pytest.mark.parametrize(
    ("stamp", "sign"), [("", ""), ("9" * 400, "x"), ("1²", "é")], ids=["unsigned", "huge stamp", "odd letters"]
)
def test_a_callback_with_a_stamp_that_is_none_is_refused(stamp: str, sign: str) -> None:
    assert sandbox.read_callback(SECRET, stamp, sign, CALLBACK) is None


def _event(**said: Any) -> bytes:
    data = {"id": "disb-1", "reference_id": "GLB-1", "status": "SUCCEEDED", "amount": 50_000.0, **said}
    return json.dumps({"event": f"payout.{data['status'].lower()}", "business_id": "b", "data": data}).encode()


@pytest.mark.parametrize(
    ("token", "body", "expected"),
    [
        ("t", _event(), (PAID, 50_000, "")),
        ("t", _event(status="FAILED", failure_code="INVALID_DESTINATION"), (FAILED, 50_000, "account_absent")),
        ("t", _event(status="FAILED", failure_code="SOMETHING_NEW"), (FAILED, 50_000, "something_new")),
        ("t", _event(status="REVERSED"), (BOUNCED, 50_000, "")),
        ("t", _event(status="STRANGE"), (UNKNOWN, 50_000, "")),
        ("t", _event(amount=50_000.5), (PAID, 0, "")),  # which is a difference of amounts
        ("x", _event(), None),
        ("", _event(), None),
        ("t", b"[]", None),
        ("t", b'{"event":"invoice.paid","data":{"id":"1","reference_id":"r","status":"PAID","amount":1}}', None),
    ],
)
def test_what_xendit_calls_back_is_read(token: str, body: bytes, expected: tuple[Any, ...] | None) -> None:
    found = xendit.read_callback(token, "t", body)
    assert (found and (found.outcome, found.amount, found.reason)) == expected
    assert xendit.read_callback(token, "", body) is None  # no token is set: nobody is let in


@asynccontextmanager
async def desk(
    heard: list[PaymentAnswer], *, fails: bool = False, gateway: str = "sandbox", says: PaymentAnswer | None = None
) -> AsyncIterator[str]:
    """A server with the callback's route; ``says`` is what the gateway answers when it is asked, None for nothing."""

    class Told(Ear):
        async def take(self, answers: Any, by: str) -> None:
            if fails:
                raise ConnectionError
            heard.extend(answers)

    async def find(reference: str) -> PaymentAnswer:
        if says is None:
            raise GatewayUnavailableError("no answer")
        return says

    site = application()
    PayoutDesk(gateway, Told(gateway, clock.now, lambda: None), SECRET, find).add_routes(site)
    runner = web.AppRunner(site, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/webhooks/sandbox-bank"
    finally:
        await runner.cleanup()


async def test_a_callback_is_acknowledged_only_when_it_was_taken() -> None:
    heard: list[PaymentAnswer] = []
    stamp = str(int(time.time()))
    headers = {"X-Timestamp": stamp, "X-Signature": signature(SECRET, stamp, CALLBACK)}
    async with desk(heard) as url, ClientSession() as http:
        for body, status in ((CALLBACK, 200), (CALLBACK + b" ", 401), (b"x" * 20_000, 401)):
            async with http.post(url, data=body, headers=headers) as answer:
                assert answer.status == status
        async with http.post(url.replace("sandbox-bank", "xendit"), data=b"{}") as answer:
            assert answer.status == 404  # not the gateway that is set
    assert [each.reference for each in heard] == ["GLB-1"]
    async with (
        desk(heard, fails=True) as url,
        ClientSession() as http,
        http.post(url, data=CALLBACK, headers=headers) as answer,
    ):
        assert answer.status == 500  # the bank calls again


@pytest.mark.parametrize(
    ("status", "says", "answered", "heard"),
    [
        ("SUCCEEDED", None, 200, [PaymentOutcome.PAID]),  # the statement is compared anyway
        ("REVERSED", PaymentAnswer("GLB-1", PaymentOutcome.PAID, 1_000), 200, [PaymentOutcome.PAID]),  # made up
        ("REVERSED", PaymentAnswer("GLB-1", PaymentOutcome.BOUNCED, 1_000), 200, [PaymentOutcome.BOUNCED]),
        ("FAILED", None, 503, []),  # nobody could be asked: it is sent again
    ],
)
async def test_what_would_pay_again_is_asked_for_at_xendit_first(
    status: str, says: PaymentAnswer | None, answered: int, heard: list[PaymentOutcome]
) -> None:
    data = {"id": "disb-1", "reference_id": "GLB-1", "amount": 1_000, "status": status}
    body = json.dumps({"event": "payout.x", "data": data}).encode()
    told: list[PaymentAnswer] = []
    async with desk(told, gateway="xendit", says=says) as url, ClientSession() as http:
        headers = {"x-callback-token": SECRET}
        async with http.post(url.replace("sandbox-bank", "xendit"), data=body, headers=headers) as answer:
            assert answer.status == answered
    assert [each.outcome for each in told] == heard


# --- Xendit


async def test_xendit_is_asked_with_one_key_and_each_answer_is_understood(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    async with xendit_peer() as peer:
        inquiry = HttpInquiry("", "")
        gateway = XenditGateway(KEY, inquiry, side_by_side=4, a_second=0, url=peer.url, seconds=0.5)
        refusals = [(400, "INVALID_DESTINATION"), (429, "RATE_LIMIT_EXCEEDED"), (500, "SERVER_ERROR")]
        peer.next_answers = ["", *refusals, "hang"]
        answers = [(await gateway.send("balance", [order(f"GLB-{at}")]))[0] for at in range(5)]
        assert [answer.outcome for answer in answers] == [ACCEPTED, FAILED, UNKNOWN, UNKNOWN, UNKNOWN]
        assert peer.asked[0]["channel_code"] == "ID_OVO"
        assert peer.asked[0]["channel_properties"]["account_number"] == "081200011111"
        assert [each["key"] for each in peer.asked] == [f"GLB-{at}" for at in range(5)]  # none was repeated by itself
        assert [(await gateway.find(f"GLB-{at}")).outcome for at in (0, 2, 4)] == [ACCEPTED, ABSENT, ACCEPTED]
        [again] = await gateway.send("balance", [order("GLB-4")])
        assert again.gateway_id == peer.payouts["GLB-4"]["id"]
        for key in ("GLB-0", "GLB-4"):
            peer.payouts[key]["status"] = "SUCCEEDED"
        lines = [(line.reference, line.outcome, line.amount) async for line in gateway.statement(NOON)]
        assert lines == [("GLB-0", PAID, 50_000), ("GLB-4", PAID, 50_000)]
        [refused] = await gateway.send("balance", [order("GLB-7", restricted=True)])
        assert (refused.outcome, refused.reason) == (FAILED, "not_possible")
        with pytest.raises(GatewayUnavailableError, match="not set"):
            await gateway.inquire(QUESTION)
        await gateway.close()
    for secret in ("081200011111", "Siti", KEY):
        assert secret not in caplog.text


# --- files


def _count(folder: Path) -> int:
    return len(list(folder.iterdir()))


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def _append(path: Path, words: str) -> None:
    path.write_text(path.read_text() + words)


@pytest.mark.parametrize("layout", ["csv", "fixed"])
async def test_a_batch_is_a_file_whatever_dies_on_the_way(tmp_path: Path, layout: str) -> None:
    gateway = BankFileGateway(tmp_path, layout, HttpInquiry("", ""))
    orders = [order(f"GLB-{at:016}") for at in range(3)]
    await gateway.send("balance wave 1", orders[:2])
    _append(gateway.path("balance wave 1", part=True), "GLB-half a li")  # a crash
    answers = await gateway.send("balance wave 1", orders)  # and all of it again
    assert {answer.outcome for answer in answers} == {ACCEPTED}
    assert (await gateway.find(orders[2].reference)).outcome == ACCEPTED
    assert (await gateway.find("GLB-NOBODYS")).outcome == ABSENT
    if layout == "fixed":  # it died after its last line, before it had its name
        _append(gateway.path("balance wave 1", part=True), f"TOTAL{3:>19}{150_000:>101}\n")
    await gateway.finish("balance wave 1")
    await gateway.finish("balance wave 1")
    assert _count(tmp_path) == 1
    lines = gateway.path("balance wave 1").read_text().splitlines()
    expected = {
        "csv": ["reference,way,institution,number,holder,amount"]
        + [f'"{each.reference}","pay","ovo","6281200011111","Siti Aminah","50000"' for each in orders],
        "fixed": [
            f"{each.reference:<24}{'pay':<10}{'ovo':<16}{'6281200011111':<20}{'Siti Aminah':<40}{50_000:015}"
            for each in orders
        ]
        + [f"TOTAL{3:>19}{150_000:>101}"],
    }
    assert lines == expected[layout]
    assert gateway.path("balance wave 1").stat().st_mode & 0o077 == 0
    await gateway.close()


@pytest.mark.parametrize("layout", ["csv", "fixed"])
async def test_who_comes_to_it_when_the_file_is_finished_writes_nothing_twice(tmp_path: Path, layout: str) -> None:
    gateway = BankFileGateway(tmp_path, layout, HttpInquiry("", ""))
    orders = [order(f"GLB-{at:016}") for at in range(3)]
    await gateway.send("balance wave 1", orders)
    await gateway.finish("balance wave 1")
    assert {answer.outcome for answer in await gateway.send("balance wave 1", orders)} == {ACCEPTED}
    await gateway.finish("balance wave 1")
    assert _names(tmp_path) == [gateway.path("balance wave 1").name]
    await gateway.send("balance wave 1", [*orders, order("GLB-LATE")])
    await gateway.finish("balance wave 1")
    later = gateway.path("balance wave 1 2").read_text()
    assert ("GLB-LATE" in later, orders[0].reference in later) == (True, False)


async def test_a_formula_in_a_name_stays_a_name(tmp_path: Path) -> None:
    gateway = BankFileGateway(tmp_path, "csv", HttpInquiry("", ""))
    await gateway.send("b", [PaymentOrder("GLB-1", "bni", "123", '=1+1"', 5)])
    assert """"'=1+1'",""" in gateway.path("b", part=True).read_text()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("line,reference,outcome,amount,reason\nL1,GLB-1,paid,5,\nL2,GLB-2,returned,5,account_closed\n",
         [("GLB-1", PAID, 5, ""), ("GLB-2", BOUNCED, 5, "account_closed")]),
        ("Reference,Line,Amount,Outcome\nGLB-1,L1,5,REJECTED\n", [("GLB-1", FAILED, 5, "")]),
        ("line,reference,outcome,amount\nL1,GLB-1,paid,5.5\n", "statement.csv, line 2: amount"),
        ("line,reference,outcome,amount\nL1,GLB-1,paid,-5\n", "statement.csv, line 2: amount"),
        ("line,reference,outcome,amount\nL1,GLB-1,vanished,5\n", "statement.csv, line 2"),
        ("line,reference,outcome\nL1,GLB-1,paid\n", "statement.csv, line 2"),
        ("", []),
    ],
)  # fmt: skip
def test_a_statement_is_read_whole_or_not_at_all(tmp_path: Path, content: str, expected: Any) -> None:
    path = tmp_path / "statement.csv"
    path.write_text(content)
    if isinstance(expected, str):
        with pytest.raises(BadLineError, match=expected):
            list(read_statement(path))
        return
    assert [(each.reference, each.outcome, each.amount, each.reason) for each in read_statement(path)] == expected


def test_a_statement_may_be_a_spreadsheet(tmp_path: Path) -> None:
    from openpyxl import Workbook  # noqa: PLC0415

    book = Workbook()
    assert book.active is not None
    for row in (("line", "reference", "outcome", "amount"), ("L1", "GLB-1", "paid", 50_000)):
        book.active.append(row)
    book.save(tmp_path / "statement.xlsx")
    assert [each.amount for each in read_statement(tmp_path / "statement.xlsx")] == [50_000]
