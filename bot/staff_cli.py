"""Commands for operators: lists of people, templates, notices, how cards are read."""

import argparse
import asyncio
import getpass
import sys
from collections.abc import Callable, Coroutine
from datetime import date
from pathlib import Path
from typing import Any, Protocol

from bot.settings import Settings
from bot.tables import sha256_of
from domain import clock
from domain.audit import record
from domain.errors import DomainError
from domain.notices.actions import rungs_of, standing_of_all
from domain.verification.actions.cards import reading_rates
from domain.verification.actions.lists import ListTerms, define, overview
from models.database import database, writing
from models.enums import ListKind
from models.verification import PersonList


class Add(Protocol):
    """Adding a command to the parser."""

    def __call__(
        self, name: str, run: Callable[[Settings, argparse.Namespace], int], text: str
    ) -> argparse.ArgumentParser: ...


def staffed(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """A command of which is kept who gave it."""
    parser.add_argument("--staff", default=getpass.getuser(), help="who does it (default: who is logged in)")
    return parser


def said(argument: str) -> str:
    """An argument that may be personal: ``-`` reads a line of the input, as all on a machine can see arguments."""
    return sys.stdin.readline().strip() if argument == "-" else argument


def with_database(settings: Settings, work: Callable[..., Coroutine[Any, Any, int]], *args: Any) -> int:
    """Run work with keys and database; gives its exit code."""

    async def run() -> int:
        settings.use_keys()
        async with database(settings.database_url) as db:
            return await work(db, *args)

    return asyncio.run(run())


def add_commands(add: Add) -> None:
    """All commands of this module."""
    templates = add("templates", _templates, "make WhatsApp's templates and submit them, or see how far they are")
    templates.add_argument("what", choices=["sync", "check"])
    notices = add("notices", _notices, "who was told what, and why some could not be reached")
    notices.add_argument("--person", type=int, help="every rung of this person's notices, with its reason")
    add("cards", _cards, "how well ID cards are read: fields read, confirmed and corrected")
    add("lists", _lists, "show the lists of people that change who is admitted")
    imported = add("import-list", _import_list, "replace a list by a CSV or XLSX file with a column nik (or kk)")
    imported.add_argument("code", help="short name of the list, e.g. dtks")
    imported.add_argument("file", type=Path)
    imported.add_argument("--as-of", type=date.fromisoformat, default=None, help="the list's own date (default: today)")
    imported.add_argument("--kind", type=ListKind, choices=list(ListKind), help="what standing on it means")
    imported.add_argument("--owner", help="who keeps the list, as people read it")
    imported.add_argument("--reason", help="why it shuts people out, in Indonesian, as they read it")
    imported.add_argument("--reason-en", help="the same in English")
    imported.add_argument("--report", type=Path, help="where bad lines go (default: FILE.report.csv)")
    staffed(imported)


def _templates(settings: Settings, options: argparse.Namespace) -> int:
    from bot.platforms import twilio_account  # noqa: PLC0415
    from bot.templates import check, sync  # noqa: PLC0415

    async def work(db: Any) -> int:
        account = twilio_account(settings)
        if account is None:
            raise ValueError("GELOMBANG_TWILIO_ACCOUNT_SID is not set")
        try:
            made = list(await sync(account, clock.now())) if options.what == "sync" else []
            left = list(await check(account))
        finally:
            await account.close()
        print("\n".join(made + left) or "all templates are approved")
        return int(bool(left) and options.what == "check")

    return with_database(settings, work)


def _notices(settings: Settings, options: argparse.Namespace) -> int:
    async def work(db: Any) -> int:
        if options.person is None:
            for kind, status, reason, count in await standing_of_all():
                print(f"{kind:<20} {status:<10} {reason:<16} {count:>9,}")
            return 0
        for line in await rungs_of(options.person):
            print(line)
        return 0

    return with_database(settings, work)


def _cards(settings: Settings, options: argparse.Namespace) -> int:
    async def work(db: Any) -> int:
        measured = await reading_rates()
        print(f"{measured.cards:,} card photos, {measured.found:,} read, {measured.seconds:.1f} s each")
        for name, (read, confirmed, corrected) in measured.fields.items():
            print(f"{name:<12} read {read:>8,}   confirmed {confirmed:>8,}   corrected {corrected:>8,}")
        return 0

    return with_database(settings, work)


def _lists(settings: Settings, options: argparse.Namespace) -> int:
    async def work(db: Any) -> int:
        for person_list, version in await overview():
            lines = f"{version.taken:>12,} lines as of {version.as_of}" if version else f"{'empty':>12}"
            print(f"{person_list.code:<16} {person_list.kind:<9} {lines}  {person_list.owner}")
        return 0

    return with_database(settings, work)


def _import_list(settings: Settings, options: argparse.Namespace) -> int:
    from bot.lists import import_list  # noqa: PLC0415 - loads numpy

    async def work(db: Any) -> int:
        person_list = await _described(options)
        report_path = options.report or options.file.with_name(f"{options.file.name}.report.csv")
        as_of = options.as_of or clock.day_of(clock.now())
        report = await import_list(db, person_list, options.file, as_of, report_path)
        async with writing():
            digest, subject = sha256_of(options.file).hex(), f"list_{options.code}"
            await record(options.staff, "imported", subject, now=clock.now(), after=digest, words=str(report)[:400])
        print(f"{options.code}: {report}")
        if report.refused:
            print(f"bad lines, by number and reason: {report_path}")
        return 0

    return with_database(settings, work)


async def _described(options: argparse.Namespace) -> PersonList:
    """The list with what is said of it now; a new one needs all of it."""
    known = await PersonList.get_or_none(code=options.code)
    terms = ListTerms(
        code=options.code,
        kind=options.kind or (ListKind(known.kind) if known else None),
        owner=options.owner or (known.owner if known else ""),
        reason_id=options.reason or (known.reason_id if known else ""),
        reason_en=options.reason_en or (known.reason_en if known else ""),
    )
    try:
        return await define(terms)
    except DomainError:
        raise ValueError(
            f"{options.code} is a new list: say --kind, --owner, --reason and --reason-en (people on it read them)"
        ) from None
