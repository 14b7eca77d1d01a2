"""Commands for payouts, until staff have a bot of their own (docs/payouts.md)."""

import argparse
import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bot.settings import Settings
from bot.staff_cli import Add, staffed
from bot.tables import sha256_of
from bot.wave_cli import refusing
from domain import clock
from domain.errors import DomainError
from domain.money import batches, reconciling, settling
from domain.money.paying import FINAL, KINDS, masked, spoken
from domain.ports import GatewayUnavailableError
from domain.programme import DEFAULT, load
from domain.trainings import settlement
from domain.waves.actions import wave_numbered
from models.database import writing
from models.enums import BatchStatus, DueKind
from models.payout import Difference, PayoutBatch

SILENT_SECONDS = 30  # between lines where nobody sits in front of a terminal
STEPS: dict[str, Callable[..., Any]] = {"start": batches.start, "pause": batches.pause, "close": batches.close}


def add_commands(add: Add) -> None:
    """All commands of this module."""
    bank = add("sandbox-bank", _bank, "a bank for trying out that moves no money (docs/payouts.md); serve starts one")
    bank.add_argument("--port", type=int, default=8070)
    bank.add_argument("--parent", type=int, help=argparse.SUPPRESS)
    payouts = add("payouts", _payouts, "pay people: prepare, check, approve, send, reconcile, close (docs/payouts.md)")
    what = payouts.add_subparsers(dest="what", required=True, metavar="WHAT")
    prepared = staffed(what.add_parser("prepare", help="put what is due and can be paid into a batch"))
    prepared.add_argument("kind", choices=list(KINDS))
    prepared.add_argument("--wave", type=int, help="only what comes from this wave's fund")
    what.add_parser("list", help="all batches and how far they are")
    for name, text in (
        ("check", "look at every payment: totals, limits, accounts, cover"),
        ("approve", "let a checked batch be sent; who prepared it can't"),
        ("start", "send an approved or a paused batch"),
        ("pause", "send nothing more for now"),
        ("reconcile", "compare a batch that is final with the bank's statement"),
        ("close", "the end of a reconciled batch"),
    ):
        staffed(what.add_parser(name, help=text)).add_argument("batch", type=int)
    stopped = staffed(what.add_parser("stop", help="send nothing more, ever; what was not sent stays due"))
    stopped.add_argument("batch", type=int)
    stopped.add_argument("--words", required=True, help="why")
    watched = what.add_parser("watch", help="follow a batch until everything of it is final")
    watched.add_argument("batch", type=int)
    statement = what.add_parser("statement", help="take the bank's statement: from the gateway, or from a file of it")
    staffed(statement)
    statement.add_argument("file", type=Path, nargs="?")
    what.add_parser("differences", help="where our books and the bank's do not agree")
    explained = staffed(what.add_parser("explain", help="say what a difference was, and how its payment ended"))
    explained.add_argument(
        "--ended", choices=["paid", "not-paid"], help="how its payment really ended, where the bank contradicts itself"
    )
    explained.add_argument("number", type=int)
    explained.add_argument("--words", required=True)
    traced = what.add_parser("trace", help="follow a payment back to its cause")
    traced.add_argument("reference")


def _bank(settings: Settings, options: argparse.Namespace) -> int:
    from bot.lifeline import end_with  # noqa: PLC0415 - the web server is only loaded where it is used
    from bot.sandbox_bank.server import BankSettings, serve_bank  # noqa: PLC0415

    if options.parent:
        end_with(options.parent)
    bank = BankSettings()
    if not bank.callback_url:
        bank.callback_url = f"http://{settings.host}:{settings.port}/webhooks/sandbox-bank"
    secret = settings.bank_secret()
    said = "sandbox bank on {}".format
    asyncio.run(serve_bank(bank, secret, "127.0.0.1", options.port, lambda port: print(said(port), flush=True)))
    return 0


def _payouts(settings: Settings, options: argparse.Namespace) -> int:
    async def work(db: Any) -> int:
        try:
            return await _do(db, settings, options)
        except GatewayUnavailableError as error:
            print(f"gelombang: the gateway can't be reached now: {error}", file=sys.stderr)
            return 1

    return refusing(settings, work)


async def _do(db: Any, settings: Settings, options: argparse.Namespace) -> int:
    match options.what:
        case "prepare":
            return await _prepare(db, settings, options)
        case "list":
            for batch in await PayoutBatch.all().order_by("id"):
                print(await _line(db, batch))
            return 0
        case "statement":
            return await _statement(settings, options.file, options.staff)
        case "differences":
            return await _differences()
        case "explain":
            now, words = clock.now(), options.words
            if options.ended is not None:
                await settling.decide(options.number, options.ended == "paid", words, options.staff, now)
                return 0
            async with writing():
                await batches.explain(options.number, words, options.staff, now)
            return 0
        case "trace":
            return await _trace(options.reference)
    return await _with_batch(db, settings, options)


async def _with_batch(db: Any, settings: Settings, options: argparse.Namespace) -> int:

    batch, now, programme = (
        await batches.batch_numbered(options.batch),
        clock.now(),
        load(settings.programme or DEFAULT),
    )
    match options.what:
        case "watch":
            return await _watch(db, batch)
        case "check":
            found = await batches.check(db, batch, programme, options.staff, now)
            print(f"{found.count:,} payments, Rp{found.amount:,}, digest {found.digest.hex()[:16]}")
            print("\n".join(f"- {problem}" for problem in found.problems) or "nothing stands against approving it")
            return int(bool(found.problems))
        case "approve":
            await batches.approve(db, batch, programme, options.staff, now)
        case "stop":
            print(f"{await batches.stop(batch, options.staff, options.words, now):,} payments were not sent")
        case "reconcile":
            print(f"{await reconciled(db, settings, batch, options.staff):,} differences are open")
        case step:
            await STEPS[step](batch, options.staff, now)
    print(await _line(db, await batches.batch_numbered(batch.id)))
    return 0


async def prepared(db: Any, settings: Settings, kind: str, number: int, by: str) -> batches.Prepared:
    """Put everything of a kind (and wave) that is due into a batch of the chosen gateway's."""
    from bot.gateways.payouts.chosen import chosen  # noqa: PLC0415 - loads the web client

    gateway = chosen(settings)
    restricted = {DueKind.BALANCE, DueKind.COLLECTION} & set(KINDS[kind])
    if restricted and not gateway.restricts:
        raise DomainError("staff.gateway_unrestricted", gateway=gateway.name)
    if kind == "settlement":
        await settlement.owe(clock.now())
    wave_id = (await wave_numbered(number)).id if number else 0
    return await batches.prepare(db, kind, wave_id, gateway.name, by, clock.now(), number)


async def _prepare(db: Any, settings: Settings, options: argparse.Namespace) -> int:
    made = await prepared(db, settings, options.kind, options.wave or 0, options.staff)
    print(f"{made.added:,} payments added to batch {made.batch.id}; {made.without_account:,} wait for an account")
    print(await _line(db, made.batch))
    return 0


async def _line(db: Any, batch: PayoutBatch) -> str:
    state = await batches.progress(db, batch, clock.now())
    about = spoken(state) if batch.started_at else f"{state.total:,} payments, Rp{state.amount:,}"
    return f"batch {batch.id}  {batch.name:<36} {batch.status:<10}  {about}"


async def _watch(db: Any, batch: PayoutBatch) -> int:
    """One line that renews itself on a terminal, a line every half minute elsewhere."""
    live, silent = sys.stdout.isatty(), 0
    while True:
        batch = await batches.batch_numbered(batch.id)
        state = await batches.progress(db, batch, clock.now())
        ends = batch.status in (BatchStatus.RECONCILED, BatchStatus.CLOSED)
        ends |= state.done == state.total and batch.status in (BatchStatus.SUBMITTING, BatchStatus.STOPPED)
        if live or ends or silent % SILENT_SECONDS == 0:
            print(f"{batch.status}: {spoken(state)}", end="    \r" if live and not ends else "\n", flush=True)
        if ends:
            return 0
        await asyncio.sleep(1)
        silent += 1


async def reconciled(db: Any, settings: Settings, batch: PayoutBatch, by: str) -> int:
    """Hear the gateway's statement, where it is the chosen one, and compare; gives how many differences are open."""
    from bot.gateways.payouts.chosen import chosen  # noqa: PLC0415 - loads the web client

    if chosen(settings).name == batch.gateway:
        await _statement(settings, None, by)
    return await reconciling.reconcile(db, batch, by, clock.now())


# --- statements


async def _statement(settings: Settings, path: Path | None, staff: str) -> int:
    from bot.gateways.payouts.bank_file import BankFileGateway, read_statement  # noqa: PLC0415 - loads the web client
    from bot.gateways.payouts.chosen import chosen  # noqa: PLC0415 - loads the web client
    from bot.payouts import MOST, hear_statement  # noqa: PLC0415 - loads the web client

    if path is not None:
        lines = list(read_statement(path))  # the whole of it can be read, or nothing is taken
        # A file speaks of what went out by file, whatever gateway is set now.
        for start in range(0, len(lines), MOST):
            await settling.hear(BankFileGateway.name, lines[start : start + MOST], "statement", clock.now())
        await batches.note_statement(BankFileGateway.name, path.name, sha256_of(path), staff, clock.now())
        print(f"{len(lines):,} lines of {path.name}")
        return 0
    gateway = chosen(settings)
    try:
        count = await hear_statement(gateway, clock.now)
        print(f"{count:,} lines of the statement")
        return 0
    finally:
        await gateway.close()


async def _differences() -> int:
    rows = await Difference.all().order_by("id")
    for row in rows:
        sides = f"ours {_rupiah(row.ours)}, theirs {_rupiah(row.theirs)}"
        said = f"{row.explained_by}: {row.words}" if row.explained_at else "not explained"
        print(f"{row.id:>5}  batch {row.batch_id or '-':<5} {row.what:<14} {row.reference:<22} {sides:<44} {said}")
    if not rows:
        print("our books and the bank's agree")
    return 0


def _rupiah(amount: int | None) -> str:
    return "nothing" if amount is None else f"Rp{amount:,}"


async def _trace(reference: str) -> int:
    found = await batches.trace(reference)
    due, payment = found.due, found.payment
    print(f"payment   {payment.reference}  Rp{payment.amount:,}  {payment.status}  {payment.reason}".rstrip())
    print(f"to        {found.account.institution} {masked(found.account.number)} of {due.payee} {due.payee_id}")
    if payment.settled_at:
        shown = f", statement line {payment.statement_line}" if payment.statement_line else ""
        said = f"{clock.in_wib(payment.settled_at)} by {payment.settled_by}"
        print(f"settled   {said}, their number {payment.gateway_id}{shown}")
    print(f"due       {due.key}  Rp{due.amount:,}  {due.status}, from {clock.in_wib(due.due_at)}")
    for key in batches.causes(due):
        print(f"cause     posting {key}")
    for attempt in found.attempts:
        if attempt.status in FINAL and attempt.id != payment.id:
            print(f"attempt   {attempt.reference}  {attempt.status}  {attempt.reason}".rstrip())
    print(f"batch     {found.batch.id}  {found.batch.name}")
    for event in found.events:
        print(f"          {clock.in_wib(event.at)}  {event.status} by {event.by}  {event.words}".rstrip())
    return 0
