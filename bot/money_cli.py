"""Commands for the ledger."""

import argparse
from pathlib import Path
from typing import Any

from bot.settings import Settings
from bot.staff_cli import Add, with_database
from domain import clock
from domain.money.actions import problems, statement, totals


def add_commands(add: Add) -> None:
    """All commands of this module."""
    ledger = add("ledger", _ledger, "the programme's money: balances, proof, a person's statement")
    what = ledger.add_subparsers(dest="what", required=True, metavar="WHAT")
    what.add_parser("accounts", help="what each kind of account holds")
    what.add_parser("check", help="prove that every rupiah is where the postings say; 1 where it is not")
    told = what.add_parser("report", help="where the money went: a page with a chart, and tables")
    told.add_argument("--out", type=Path, default=Path("var/money-report"), help="folder")
    told.add_argument("--tables", choices=["csv", "xlsx"], default="csv")
    one = what.add_parser("statement", help="everything that ever moved on a person's accounts")
    one.add_argument("person", type=int, help="the person's number")


def _ledger(settings: Settings, options: argparse.Namespace) -> int:
    async def work(db: Any) -> int:
        match options.what:
            case "accounts":
                for kind, count, total in await totals():
                    print(f"{kind:<20} {count:>10,} accounts  Rp {total:>26,}")
            case "report":
                from bot.money_report import report  # noqa: PLC0415 - loads matplotlib

                options.out.mkdir(parents=True, exist_ok=True)
                lines = await report(db, options.out, options.tables, clock.now())
                counts = ", ".join(f"{count:,} {name}" for name, count in lines.items())
                print(f"{counts}: {options.out / 'index.html'}")
            case "statement":
                for line in await statement(options.person):
                    when = clock.in_wib(line.at)
                    print(f"{when}  {line.account:<18} {line.key:<24} {line.amount:>+14,} {line.balance:>14,}")
            case _:
                found = await problems(db)
                print("\n".join(found) or "the ledger is right: every balance is the sum of its postings")
                return int(bool(found))
        return 0

    return with_database(settings, work)
